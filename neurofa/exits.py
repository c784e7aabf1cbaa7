"""Exit statuses of commands, and the line that says why a command ends with one."""

import sys

FAILED, BAD_INPUT, INTERRUPTED = 1, 2, 130
KEPT: list[str] = []  # what a command that is interrupted has saved, in words
# signals that have come: what is raised for one is lost where it comes while another library ignores exceptions
SIGNALS: list[int] = []
RESUMABLE = "the work up to the last whole epoch is saved, --resume goes on"


def complain(command: str, message: str) -> int:
    """Say in one line on stderr what is wrong; gives `BAD_INPUT`, to exit with."""
    print(f"{command}: {' '.join(message.split())}", file=sys.stderr)
    return BAD_INPUT
