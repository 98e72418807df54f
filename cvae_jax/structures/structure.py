"""The Bayesian network over (z, z_hat): which variables each z_hat_j may depend on.

A structure is written as edges between z_hat nodes, 1-based as in the paper: "1>3 2>3, 3>5 4>5".
Every z_hat_j also has its own z_j as a parent; "z1>2" adds a z parent, "-z3>3" drops one; the
empty text is `independent`. The z nodes are roots.
"""

import re
from typing import NamedTuple

_EDGE = re.compile(r"(-?)(z?)(\d+)>(\d+)")


class Structure(NamedTuple):
    """parents[j]: the parents of z_hat_j, a sorted tuple of ("z" | "z_hat", i), 0-based."""

    parents: tuple

    @property
    def latents(self) -> int:
        """Returns the number of dimensions d of z and of z_hat."""
        return len(self.parents)

    def require(self, latents: int) -> None:
        """Refuses arrays of another number of latents, whose columns JAX would clamp indices to.

        Raises:
          ValueError: names both numbers.
        """
        if self.latents != latents:
            raise ValueError(
                f"the structure is of {self.latents} latents and there are {latents}: parse it "
                f"with latents={latents}"
            )

    @property
    def order(self) -> tuple:
        """Returns the z_hat indices in topological order, the smallest first among equals.

        Raises:
          ValueError: there is a cycle; the message walks it.
        """
        left, order = set(range(self.latents)), []
        while left:
            free = [j for j in sorted(left) if not left & set(self.z_hat_parents(j))]
            if not free:
                raise ValueError(f"structure has a cycle: {self._cycle(left)}")
            order.append(free[0])
            left.remove(free[0])
        return tuple(order)

    def z_parents(self, j: int) -> tuple:
        """Returns the indices of the z nodes among the parents of z_hat_j."""
        return tuple(i for kind, i in self.parents[j] if kind == "z")

    def z_hat_parents(self, j: int) -> tuple:
        """Returns the indices of the z_hat nodes among the parents of z_hat_j."""
        return tuple(i for kind, i in self.parents[j] if kind == "z_hat")

    @property
    def edges(self) -> tuple:
        """Returns the edges (i, j), i -> j, between z_hat nodes in the order of str(self)."""
        return tuple((i, j) for j in range(self.latents) for i in self.z_hat_parents(j))

    def ancestors(self, j: int) -> tuple:
        """Returns all nodes with a directed path to z_hat_j, sorted like `parents`."""
        found, left = set(), list(self.parents[j])
        while left:
            node = left.pop()
            if node not in found:
                found.add(node)
                if node[0] == "z_hat":
                    left += self.parents[node[1]]
        return tuple(sorted(found))

    def ancestor_matrix(self) -> tuple:
        """Returns which z_hat_j may move when z_i alone is changed, as `[i][j]`: [d, d] bools.

        True where a path z_i -> ... -> z_hat_j follows the edges. All False for `marginal()`.
        """
        above = [self.ancestors(j) for j in range(self.latents)]
        return tuple(tuple(("z", i) in nodes for nodes in above) for i in range(self.latents))

    def marginal(self) -> "Structure":
        """Returns the structure over z_hat alone: every z parent dropped."""
        return Structure(
            tuple(tuple(p for p in parents if p[0] == "z_hat") for parents in self.parents)
        )

    @property
    def has_own_z_alone(self) -> bool:
        """Returns whether the z parent of every z_hat_j is z_j, and no other z."""
        return all(self.z_parents(j) == (j,) for j in range(self.latents))

    @property
    def is_marginal(self) -> bool:
        """Returns whether no node has a z parent, as in `marginal()`."""
        return self == self.marginal()

    def _cycle(self, nodes) -> str:
        """Finds a cycle within nodes, each of which has a parent there: "1>2>1", 1-based."""
        path = [min(nodes)]
        while len(set(path)) == len(path):
            path.append(min(nodes & set(self.z_hat_parents(path[-1]))))
        path = path[path.index(path[-1]) :]
        return ">".join(str(i + 1) for i in reversed(path))

    def __str__(self):
        words = []
        for j in range(self.latents):
            words += [f"{i + 1}>{j + 1}" for i in self.z_hat_parents(j)]
            words += [f"z{i + 1}>{j + 1}" for i in self.z_parents(j) if i != j]
            if ("z", j) not in self.parents[j]:
                words.append(f"-z{j + 1}>{j + 1}")
        return " ".join(words)


def checked(parents) -> Structure:
    """Returns the structure of parents that a caller wrote himself.

    Args:
      parents: for each z_hat_j a sequence of ("z" or "z_hat", i), counted from 0.

    Raises:
      ValueError: a parent is unknown or there twice, or there is a cycle.
    """
    found = tuple(tuple(sorted(map(tuple, among))) for among in parents)
    for among in found:
        for node in among:
            kind, i = node if len(node) == 2 else ("", -1)
            if kind not in ("z", "z_hat") or i not in range(len(found)):
                raise ValueError(
                    f"unknown parent {node}: it must be ('z' or 'z_hat', 0 to {len(found) - 1})"
                )
        if len(set(among)) < len(among):
            raise ValueError(f"a parent is there twice: {among}")
    structure = Structure(found)
    _ = structure.order  # raises of a cycle
    return structure


def parse(text: str, latents: int) -> Structure:
    """Reads a structure from its text, for instance "1>3 2>3".

    Args:
      text: edges apart by spaces or commas; see the module's docstring.
      latents: d, the number of dimensions of z and of z_hat.

    Raises:
      ValueError: naming the edge that can't be read, has an unknown node, is a self edge, is
        repeated, or drops an edge that does not exist; or naming the cycle.
    """
    parents = [{("z", j)} for j in range(latents)]
    for word in text.replace(",", " ").split():
        match = _EDGE.fullmatch(word)
        if not match:
            raise ValueError(f"structure edge {word!r} is not of the form 1>3, z1>3 or -z3>3")
        drop, kind = match[1] == "-", "z" if match[2] else "z_hat"
        source, target = int(match[3]) - 1, int(match[4]) - 1
        for node in (source, target):
            if not 0 <= node < latents:
                raise ValueError(
                    f"structure edge {word!r} names node {node + 1}; there are 1 to {latents}"
                )
        edge = (kind, source)
        if drop:
            if edge not in parents[target]:
                raise ValueError(f"structure edge {word!r} drops an edge that is not there")
            parents[target].remove(edge)
        elif kind == "z_hat" and source == target:
            raise ValueError(f"structure edge {word!r} makes node {target + 1} its own parent")
        elif edge in parents[target]:
            raise ValueError(f"structure edge {word!r} is there twice")
        else:
            parents[target].add(edge)
    return checked(parents)


def names(nodes) -> str:
    """Returns nodes in words, 1-based, four or more in a row shortened: "z_1, z_hat_6 to z_hat_10".

    Args:
      nodes: ("z" | "z_hat", i), sorted.
    """
    runs = []
    for kind, i in nodes:
        if runs and runs[-1][-1] == (kind, i - 1):
            runs[-1].append((kind, i))
        else:
            runs.append([(kind, i)])
    words = []
    for run in runs:
        texts = [f"{kind}_{i + 1}" for kind, i in run]
        if len(texts) < 4:
            words += texts
        else:
            words.append(f"{texts[0]} to {texts[-1]}")
    return ", ".join(words)


def draw(structure: Structure) -> str:
    """Draws the structure for a terminal: the parents among z_hat of each node, then what z does.

    `tower` with 10 latents:

        z_hat_1, z_hat_2 -> z_hat_3
        z_hat_3, z_hat_4 -> z_hat_5
        own z alone: z_hat_1, z_hat_2, z_hat_4, z_hat_6 to z_hat_10

    Arrows come in topological order. Each node has its own z as a parent too; lines with "added"
    and "dropped" name the exceptions. Of `Structure.marginal()` one line says that there is no z.

    Raises:
      ValueError: there is a cycle.
    """
    lines, added, alone, orphans = [], [], [], []
    for j in structure.order:
        node, own = ("z_hat", j), ("z", j)
        if structure.z_hat_parents(j):
            sources = [p for p in structure.parents[j] if p[0] == "z_hat"]
            lines.append(f"{names(sources)} -> {names([node])}")
        elif structure.parents[j] == (own,):
            alone.append(node)
        elif not structure.parents[j]:
            orphans.append(node)
        more = [("z", i) for i in structure.z_parents(j) if i != j]
        if more:
            added.append(f"added: {names(more)} -> {names([node])}")
    lines += added
    if structure.is_marginal:
        lines.append("no z: over z_hat alone")
    else:
        dropped = [j for j in structure.order if j not in structure.z_parents(j)]
        lines += [f"dropped: z_{j + 1} -> z_hat_{j + 1}" for j in dropped]
    if alone:
        lines.append(f"own z alone: {names(sorted(alone))}")
    if orphans:
        lines.append(f"no parents: {names(sorted(orphans))}")
    return "\n".join(lines)
