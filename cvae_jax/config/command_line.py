"""From the command line of a training to its config; what can't be read is answered in one line."""

import difflib
import shlex
import sys
from pathlib import Path

import ml_collections
from absl import flags

from cvae_jax.config import defaults, help, shipped
from cvae_jax.config.fields import flat
from cvae_jax.errors import UserError, did_you_mean

_HELP = ("-h", "--help", "-help")


def parse(flag_values: flags.FlagValues, argv: list[str], description: str):
    """Returns the config that the command line asks for, and a name for it as "dsprites-quick".

    A run's folder that stands by itself becomes the flag workdir.

    Args:
      flag_values: flags, among them `config` by config_flags.DEFINE_config_file.
      argv: the command line, the program's name first.
      description: for --help, which prints it, with the fields of --config where it is given, and
        exits.

    Raises:
      UserError: a flag or a config field is unknown or of a wrong type, or there is no config.
    """
    wants_help = any(arg in _HELP for arg in argv)
    given, argv = _with_file([arg for arg in argv if arg not in _HELP])
    if wants_help and not given:
        print(description, flag_values.main_module_help(), sep="\n")
        print(f"\nConfigs that ship: {', '.join(shipped.names())}")
        print("--config=NAME --help shows a config's variants and fields.")
        sys.exit(0)
    flag_values.set_gnu_getopt(True)  # a folder may stand before options
    try:
        rest = flag_values(argv)[1:]
        config = flag_values.config
    except Exception as error:  # absl, ml_collections, or whatever the config file itself raises
        raise UserError(_reason(error, argv, given or "--config", flag_values)) from error
    _take_workdir(flag_values, rest)
    if config is None:
        raise UserError("which config? for instance --config=dsprites:quick")
    path, _, variant = flag_values["config"].config_filename.partition(":")
    if not isinstance(config, ml_collections.ConfigDict):
        kind = type(config).__name__
        raise UserError(f"get_config of {given} returns a {kind}: it must return a ConfigDict")
    if wants_help:
        print(help.describe(path, config))
        sys.exit(0)
    return config, "-".join(filter(None, (Path(path).stem, variant)))


def _with_file(argv):
    """Returns the config as it was given, without its variant, and argv with the file's path."""
    given, changed = "", list(argv)
    for i, arg in enumerate(argv):
        if arg.startswith("--config="):
            at, value = i, arg.removeprefix("--config=")
        elif arg == "--config" and i + 1 < len(argv):
            at, value = i + 1, argv[i + 1]
        else:
            continue
        given, colon, variant = value.partition(":")
        prefix = "--config=" if at == i else ""
        changed[at] = f"{prefix}{shipped.find(given)}{colon}{variant}"
    return given, changed


def _take_workdir(flag_values, rest) -> None:
    """Takes a folder that stands by itself for --workdir."""
    if not rest:
        return
    name, equals, value = rest[0].partition("=")
    if equals:
        hint = _like(name, value)
        raise UserError(f"unexpected argument {rest[0]!r}; {hint or _options(flag_values)}")
    if rest[0].partition(":")[0] in shipped.names() and flag_values.config is None:
        raise UserError(
            f"unexpected argument {rest[0]!r}; did you mean {shlex.quote(f'--config={rest[0]}')}?"
        )
    if len(rest) > 1 or "workdir" not in flag_values or flag_values.workdir:
        raise UserError(f"unexpected argument {rest[-1]!r}; {_options(flag_values)}")
    flag_values.workdir = rest[0]


def _options(flag_values) -> str:
    return f"the options are {', '.join(f'--{name}' for name in flag_values if '.' not in name)}"


def _reason(error, argv, given, flag_values) -> str:
    """Returns what is wrong with a command line that raised an error, and what may be meant."""
    if isinstance(error, flags.UnrecognizedFlagError):
        name, value = error.flagname, error.flagvalue.partition("=")[2]
        names = [f"--{flag}" for flag in flag_values if "." not in flag]
        hint = _like(name, value) or did_you_mean(f"--{name}", names) + _options(flag_values)
        return f"there is no option --{name}; {hint}"
    if isinstance(error, (AttributeError, KeyError)):
        for name, value in _unknown(argv):
            hint = _like(name, value) or "--help lists its fields"
            return f"{given}: the config has no field {name}; {hint}"
    if "get_config() takes 0 positional arguments but 1 was given" in str(error):
        return f"{given} has no variants: leave out what follows the colon"
    lines = [line for line in str(error).splitlines() if line.strip()]
    reason = (lines[-1].strip() if lines else type(error).__name__).removeprefix("ValueError: ")
    of_file = not isinstance(error, flags.Error) or "Traceback" in str(error)
    return f"{given}: {reason}" if of_file else reason


def _fields() -> list[str]:
    return [name for name, _ in flat(defaults.get_config().to_dict())]


def _unknown(argv):
    """Yields name and value of the fields on the command line that no config has."""
    for arg in argv:
        name, _, value = arg.removeprefix("--config.").partition("=")
        if arg.startswith("--config.") and name not in _fields():
            yield name, value


def fields_like(name: str) -> list[str]:
    """Returns the config's fields that a mistyped name may mean, three at most.

    Those of the same last part, if their paths have the other parts; else the one spelt alike.
    """
    *groups, last = name.split(".")
    same = [field for field in _fields() if field.split(".")[-1] == last]
    for group in groups:
        same = [field for field in same if group in field.split(".")]
    if 1 <= len(same) <= 3:
        return sorted(same, key=len)
    return difflib.get_close_matches(name, _fields(), 1, 0.85)


def _like(name, value) -> str:
    """Returns a question that names the fields that may be meant; "": none is alike."""
    name = name.removeprefix("config.")
    end = f"={value}" if value else ""
    options = [shlex.quote(f"--config.{field}{end}") for field in fields_like(name)]
    return f"did you mean {' or '.join(options)}?" if options else ""
