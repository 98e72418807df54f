"""Reads the pickles that torch.save writes: containers, plain values and tensors, nothing else.

A pickle is a program. `pickletools.genops` lists its instructions without running any; those few
that torch.save writes are carried out here, so nothing is imported or called, a dict's keys are
texts or integers, and no instruction takes memory for what it only claims.
"""

import math
import pickle
import pickletools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

_VALUES = (
    *("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"),
    *("BINUNICODE", "SHORT_BINUNICODE", "SHORT_BINSTRING", "BINSTRING"),
)
_EMPTY = {"EMPTY_TUPLE": tuple, "EMPTY_LIST": list, "EMPTY_DICT": dict}
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_REBUILD = ("_rebuild_tensor", "_rebuild_tensor_v2")
_DTYPES = {
    "DoubleStorage": np.dtype("<f8"),
    "FloatStorage": np.dtype("<f4"),
    "HalfStorage": np.dtype("<f2"),
    "LongStorage": np.dtype("<i8"),
    "IntStorage": np.dtype("<i4"),
    "ShortStorage": np.dtype("<i2"),
    "CharStorage": np.dtype("i1"),
    "ByteStorage": np.dtype("u1"),
    "BoolStorage": np.dtype("?"),
}


class _Name(NamedTuple):
    """A global that the pickle names."""

    module: str
    name: str


class _Storage(NamedTuple):
    """The values [count] that tensors are views of."""

    values: np.ndarray


def load(stream, storage: Callable | None = None) -> Any:
    """Reads one pickle, with arrays for tensors; the stream stands behind it afterwards.

    Args:
      stream: binary, with `read` and `readline`, which return no more than there is.
      storage: (key, dtype, count) -> array [count]; None: there are no tensors.

    Raises:
      pickle.UnpicklingError: it asks for something else, or for what can't be.
      ValueError, IndexError: it is damaged.
    """
    machine = _Machine(storage)
    for opcode, argument, _ in pickletools.genops(stream):
        machine.step(opcode.name, argument)
    return machine.stack.pop()


def _refuse(why):
    raise pickle.UnpicklingError(why)


class _Machine:
    """The stack, the marks and the memo of a pickle that is carried out."""

    def __init__(self, storage):
        self.stack, self._below, self._memo = [], [], {}
        self._storage = storage

    def step(self, name, argument) -> None:
        """Carries out one instruction."""
        if name in _VALUES:
            self.stack.append(argument)
        elif name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name])
        elif name in _EMPTY:
            self.stack.append(_EMPTY[name]())
        elif name in _TUPLES:
            items = [self.stack.pop() for _ in range(_TUPLES[name])]
            self.stack.append(tuple(reversed(items)))
        elif name in _STEPS:
            _STEPS[name](self, argument)
        else:
            _refuse(f"it holds the instruction {name}, which torch.save never writes")

    def protocol(self, number):
        if number > pickle.HIGHEST_PROTOCOL:
            _refuse(f"it is of pickle's protocol {number}")

    def mark(self, _):
        self._below.append(self.stack)
        self.stack = []

    def _marked(self):
        """What was put on the stack since the mark."""
        items, self.stack = self.stack, self._below.pop()
        return items

    def tuple(self, _):
        items = self._marked()
        self.stack.append(tuple(items))

    def append(self, _):
        item = self.stack.pop()
        self._top(list).append(item)

    def appends(self, _):
        items = self._marked()
        self._top(list).extend(items)

    def set_item(self, _):
        value, key = self.stack.pop(), self.stack.pop()
        _put(self._top(dict), key, value)

    def set_items(self, _):
        items = self._marked()
        for key, value in zip(items[::2], items[1::2], strict=True):
            _put(self._top(dict), key, value)

    def _top(self, kind):
        if type(self.stack[-1]) is not kind:
            _refuse(f"it puts something into what is no {kind.__name__}")
        return self.stack[-1]

    def memoize(self, index):
        kept = len(self._memo)  # a pickler counts them
        if index is not None and index > kept:
            _refuse(f"it keeps value {index} where there are {kept}")
        self._memo[kept if index is None else index] = self.stack[-1]

    def recall(self, index):
        if index not in self._memo:
            _refuse("it recalls what it did not keep")
        self.stack.append(self._memo[index])

    def global_name(self, argument):
        self.stack.append(_Name(*argument.split(" ", 1)))

    def stack_global(self, _):
        name, module = self.stack.pop(), self.stack.pop()
        if type(name) is not str or type(module) is not str:
            _refuse("it names a global by what is no text")
        self.stack.append(_Name(module, name))

    def build(self, _):
        """Drops what a state dict carries beside its items, `_metadata`."""
        self.stack.pop()
        self._top(dict)

    def persistent(self, _):
        pid = self.stack.pop()
        if type(pid) is not tuple or len(pid) not in (5, 6) or pid[0] != "storage":
            _refuse("it asks for what is no storage")
        kind, key, _, count = pid[1:5]
        if type(kind) is not _Name or kind.module != "torch" or kind.name not in _DTYPES:
            _refuse("it asks for a storage of unknown numbers")
        if type(key) is not str or type(count) is not int or count < 0:
            _refuse("a storage's key is no text, or its count no whole number")
        if self._storage is None or pid[5:] not in ((), (None,)):
            _refuse("it asks for a part of a storage")
        self.stack.append(_Storage(self._storage(key, _DTYPES[kind.name], count)))

    def reduce(self, _):
        arguments, called = self.stack.pop(), self.stack.pop()
        if type(called) is not _Name:
            _refuse("it calls what is no global")
        if type(arguments) is not tuple:
            _refuse("its arguments are no tuple")
        if called == ("collections", "OrderedDict"):
            self.stack.append(_ordered(*arguments))
        elif called.module == "torch._utils" and called.name in _REBUILD:
            self.stack.append(_tensor(*arguments))
        elif called == ("torch._utils", "_rebuild_parameter"):
            self.stack.append(arguments[0])  # the rest: whether it is trained, hooks
        else:
            _refuse(f"it asks for {called.module[:80]}.{called.name[:80]}, which is no tensor")


_STEPS = {
    "PROTO": _Machine.protocol,
    "FRAME": lambda machine, length: None,
    "STOP": lambda machine, _: None,  # genops ends behind it
    "MARK": _Machine.mark,
    "TUPLE": _Machine.tuple,
    "APPEND": _Machine.append,
    "APPENDS": _Machine.appends,
    "SETITEM": _Machine.set_item,
    "SETITEMS": _Machine.set_items,
    "BINPUT": _Machine.memoize,
    "LONG_BINPUT": _Machine.memoize,
    "MEMOIZE": _Machine.memoize,
    "BINGET": _Machine.recall,
    "LONG_BINGET": _Machine.recall,
    "GLOBAL": _Machine.global_name,
    "STACK_GLOBAL": _Machine.stack_global,
    "BUILD": _Machine.build,
    "BINPERSID": _Machine.persistent,
    "REDUCE": _Machine.reduce,
}


def _put(container, key, value):
    if type(key) not in (str, int):  # to hash nested tuples takes for ever
        _refuse("a key is neither text nor a whole number")
    container[key] = value


def _ordered(items=()):
    container = {}
    if type(items) not in (list, tuple):
        _refuse("an OrderedDict is made of what are no items")
    for item in items:
        if type(item) not in (list, tuple) or len(item) != 2:
            _refuse("an OrderedDict is made of what are no pairs")
        _put(container, *item)
    return container


def _tensor(storage, offset, size, stride, requires_grad=False, hooks=None, metadata=None):
    """A view [size] of a storage; PyTorch's strides count elements."""
    del requires_grad, hooks
    if type(storage) is not _Storage or metadata:
        _refuse("a tensor has no storage, or is a negated or conjugated view of it")
    if type(size) is not tuple or type(stride) is not tuple or len(size) != len(stride):
        _refuse("a tensor's size and strides are no tuples of one length")
    # Python's integers alone: numpy's wrap around, and pass every comparison below.
    if any(type(n) is not int or n < 0 for n in (offset, *size, *stride)):
        _refuse("a tensor's size, stride or offset is no whole number from 0")
    values = storage.values
    if 0 in size:
        return np.empty(size, values.dtype)
    last = offset + sum((n - 1) * s for n, s in zip(size, stride, strict=True))
    if last >= len(values):
        _refuse("a tensor reaches beyond its storage")
    if math.prod(size) > len(values):  # by strides of 0; a copy of it may fill the memory
        _refuse("a tensor repeats its storage")
    step = values.itemsize
    strides = [s * step if n > 1 else step for n, s in zip(size, stride, strict=True)]
    # numpy itself refuses a view that reaches beyond its buffer
    view = np.ndarray(size, values.dtype, values, offset * step, strides)
    view.flags.writeable = False
    return view
