"""`durward audit verify|head`: whether the journal is the one that was written, and a signed head to keep outside."""

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from durward.calls.errors import CallerError
from durward.cli import shown
from durward.cli.listing import Where, data_dir_of, tell
from durward.records.heads import Head
from durward.records.lines import as_json
from durward.records.verify import newest_heads
from durward.records.verify import verify as verify_journal

app = typer.Typer(help="Check the journal, and export what to check it against.", no_args_is_help=True)


@app.command()
def verify(
    head: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="A head that was kept outside, from `durward audit head`.", show_default=False
        ),
    ] = None,
    where: Where = None,
) -> None:
    """Check that no line was changed, put in, taken out, moved or cut off. Exit 1 where one was."""
    verdict = verify_journal(data_dir_of(where), [] if head is None else _read_heads(head))
    for note in verdict.notes:
        tell(f"note: {note}")
    for problem in verdict.problems:
        print(f"{problem.place}: {problem.what}")
    if verdict.problems:
        tell(f"The journal is not what was written: {shown.counted(len(verdict.problems), 'problem')}.")
        raise typer.Exit(1)
    unsigned = f"; the last {verdict.unsigned:,} of them not signed yet" if verdict.unsigned else ""
    outside = ", up to and with the line of the head that was kept outside" if head is not None else ""
    lines, writers = shown.counted(verdict.lines, "line"), shown.counted(verdict.writers, "writer")
    print(f"Whole: {lines} of {writers}{outside}{unsigned}.")


@app.command("head")
def show_head(where: Where = None) -> None:
    """Print the newest signed head, one JSON object a writer. Keep it where whoever can write the journal cannot."""
    heads = newest_heads(data_dir_of(where))
    if not heads:
        raise CallerError(
            "No head is signed yet.", reason="not_found", remedy="A gate signs one in the second in which it writes."
        )
    for head in heads:
        print(as_json(head))


def _read_heads(path: Path) -> list[Head]:
    try:
        return msgspec.json.Decoder(Head).decode_lines(path.read_bytes())
    except OSError as error:
        raise CallerError(f"The head {path} cannot be read: {error.strerror}.") from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise CallerError(
            f"{path} holds no head: {error}.", remedy="Name a file that `durward audit head` has written."
        ) from None
