"""`fastnst completion bash|zsh|fish`: the script that completes commands, options, styles and recipes."""

from __future__ import annotations

import argparse
import importlib
import sys
from dataclasses import dataclass

from fastnst.command_table import COMMANDS
from fastnst.commands.options.parser import Parser, parser_of
from fastnst.errors import MissingDependencyError
from fastnst.recipes import available_recipes
from fastnst.runtime.models.catalog import available_styles
from fastnst.standard_streams import print_result

SHELLS = ("bash", "zsh", "fish")
_TRAININGS = {"train": "StyleCLI", "train-matting": "MattingCLI", "distill": "DistillCLI"}
_STYLE_OPTIONS, _RECIPE_OPTION = ("--style", "--init"), "--config"


@dataclass(frozen=True)
class Option:
    """One long option: what it is for in half a line, and what it may be, if that is a few words."""

    flag: str
    about: str
    choices: tuple[str, ...] = ()


def build_parser(prog: str) -> argparse.ArgumentParser:
    """The command's options."""
    parser = Parser(
        prog=prog,
        description="Write a completion script to standard output.",
        epilog="bash: fastnst completion bash > ~/.local/share/bash-completion/completions/fastnst; zsh: put it into a"
        " folder of $fpath as _fastnst; fish: fastnst completion fish > ~/.config/fish/completions/fastnst.fish",
    )
    parser.add_argument("shell", choices=SHELLS)
    parser.add_argument(
        "--words", choices=("styles", "recipes"), help="what the script itself asks for: names, one a line"
    )
    return parser


def main(argv: list[str], prog: str = "fastnst completion") -> int:
    """Run the command; raises `ConfigError` for another shell."""
    options = build_parser(prog).parse_args(argv)
    if options.words:
        names = available_styles() if options.words == "styles" else available_recipes()
        for name in names:
            print_result(name)
        return 0
    table = {command: options_of(command) for command in COMMANDS}
    sys.stdout.write({"bash": bash, "zsh": zsh, "fish": fish}[options.shell](table))
    return 0


def options_of(command: str) -> list[Option]:
    """The long options of a command; none where the packages that it needs are not installed."""
    try:
        module = importlib.import_module(COMMANDS[command][0])
        if command in _TRAININGS:
            tops = getattr(module, _TRAININGS[command]).top_options
            names = [*tops, "config", "checkpoint_every", "ckpt_path", "help"]
            return [Option(_dashed(name), f"{tops[name]} of recipes" if name in tops else "") for name in names]
        parser = parser_of(module.main, f"fastnst {command}")
    except (ModuleNotFoundError, MissingDependencyError):
        return []
    return [
        Option(flag, _first_words(action), tuple(map(str, action.choices or ())))
        for action in parser._actions
        for flag in action.option_strings
        if flag.startswith("--")
    ]


def bash(table: dict[str, list[Option]]) -> str:
    """For bash, and through bashcompinit for zsh."""
    cases = "".join(
        f'        {command}) words="{" ".join(option.flag for option in options)}" ;;\n'
        for command, options in table.items()
    )
    words = "".join(
        f'        "{command} {option.flag}") _fastnst_words "{" ".join(option.choices)}"; return ;;\n'
        for command, options in table.items()
        for option in options
        if option.choices
    )
    return f"""# bash completion of fastnst; made by `fastnst completion bash`
_fastnst_words() {{ COMPREPLY+=($(compgen -W "$1" -- "${{COMP_WORDS[COMP_CWORD]}}")); }}
_fastnst_files() {{ local IFS=$'\\n'; COMPREPLY+=($(compgen -f -- "${{COMP_WORDS[COMP_CWORD]}}")); }}
_fastnst_names() {{  # not by compgen -W, which would run what stands as $(…) in a file's name
    local name
    while IFS= read -r name; do
        [[ "$name" == "${{COMP_WORDS[COMP_CWORD]}}"* ]] && COMPREPLY+=("$name")
    done < <(fastnst completion bash --words "$1" 2>/dev/null)
    _fastnst_files
}}
_fastnst() {{
    local before="${{COMP_WORDS[COMP_CWORD-1]}}" words=""
    COMPREPLY=()
    if [ "$COMP_CWORD" -eq 1 ]; then
        _fastnst_words "{" ".join(table)} --help --version --quiet --verbose"
        return
    fi
    case "$before" in
        {"|".join(_STYLE_OPTIONS)}) _fastnst_names styles; return ;;
        {_RECIPE_OPTION}) _fastnst_names recipes; return ;;
    esac
    case "${{COMP_WORDS[1]}} $before" in
{words}    esac
    case "${{COMP_WORDS[1]}}" in
{cases}    esac
    case "${{COMP_WORDS[COMP_CWORD]}}" in
        -*) _fastnst_words "$words" ;;
        *) _fastnst_files ;;
    esac
}}
complete -o filenames -F _fastnst fastnst
"""


def zsh(table: dict[str, list[Option]]) -> str:
    """For zsh, which runs bash's."""
    return f"#compdef fastnst\nautoload -U +X bashcompinit && bashcompinit\n{bash(table)}"


def fish(table: dict[str, list[Option]]) -> str:
    """For fish, with what each option is for."""
    lines = ["# fish completion of fastnst; made by `fastnst completion fish`"]
    for command, (_, about) in COMMANDS.items():
        lines.append(f"complete -c fastnst -n __fish_use_subcommand -a {command} -d {_quoted(about)}")
    for command, options in table.items():
        for option in options:
            line = f"complete -c fastnst -n '__fish_seen_subcommand_from {command}' -l {option.flag.removeprefix('--')}"
            if option.about:
                line += f" -d {_quoted(option.about)}"
            if option.flag in (*_STYLE_OPTIONS, _RECIPE_OPTION):
                kind = "recipes" if option.flag == _RECIPE_OPTION else "styles"
                line += f" -ra '(fastnst completion fish --words {kind} 2>/dev/null)'"
            elif option.choices:
                line += f" -xa {_quoted(' '.join(option.choices))}"
            lines.append(line)
    return "\n".join(lines) + "\n"


def _dashed(name: str) -> str:
    return f"--{name}" if name in ("checkpoint_every", "ckpt_path") else f"--{name.replace('_', '-')}"


def _first_words(action: argparse.Action) -> str:
    text = (action.help or "").replace("%%", "%")
    return text.split(";")[0].split(" (default")[0][:80]


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
