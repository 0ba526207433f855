"""Types at the prompt of `diaflight sql` through a terminal of its own, and reads what a person would see.

Fails at the first thing that does not appear. Usage: prompt.py STATE_FOLDER COMMAND...
COMMAND starts the prompt, over 4 sources of 3 objects.
"""
import os
import pty
import re
import select
import sys
import time

PATIENCE_S = 120
PROMPT = "diaflight> "
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """The program with a terminal around it, 200 columns wide."""

    def __init__(self, command, variables):
        self.unread = ""
        self.process, self.keys = pty.fork()
        if self.process == 0:
            os.execve(command[0], command, variables)
        self.expect(PROMPT)

    def appears(self, text, patience_s):
        """Reads until `text` appears, for so long."""
        end = time.monotonic() + patience_s
        while text not in self.unread:
            if not select.select([self.keys], [], [], max(0, end - time.monotonic()))[0]:
                return False
            try:
                screen = os.read(self.keys, 65536).decode(errors="replace")
            except OSError:
                raise AssertionError(f"the program ended before {text!r}: {self.unread!r}")
            self.unread = ESCAPES.sub("", self.unread + screen.replace("\r", ""))
        return True

    def expect(self, text):
        """Reads on to the end of `text`, and returns what stood before it."""
        assert self.appears(text, PATIENCE_S), f"{text!r} does not appear in {self.unread!r}"
        before, self.unread = self.unread.split(text, 1)
        return before

    def type(self, keys):
        os.write(self.keys, keys.encode())

    def answer(self, line, end):
        """What is printed for a line, up to `end`; then the prompt is back."""
        self.type(line + "\r")
        shown = self.expect(end)
        self.expect(PROMPT)
        return shown + end

    def repeat(self, keys, end):
        """Types the same again each second, until it is heard."""
        for _ in range(PATIENCE_S):
            self.type(keys)
            if self.appears(end, 1):
                break
        self.expect(end)

    def listens_again(self):
        """Returns once everything typed so far is answered or thrown away.

        Ctrl-C throws away what is typed before the prompt is back, and the prompt itself does not show that it is back:
        the line editor draws it at every key. So statements that differ are typed until the last one is answered.
        """
        for attempt in range(7):
            self.type(f"SELECT 'attempt ' || {attempt} AS heard;\r")
            if self.appears(f"| attempt {attempt} |", 2**attempt):
                break
        self.expect(f"| attempt {attempt} |")
        self.expect("(1 row")
        self.expect(PROMPT)

    def leave(self):
        self.type("\x04")
        _, status = os.waitpid(self.process, 0)
        assert os.waitstatus_to_exitcode(status) == 0, status
        os.close(self.keys)


def first_session(terminal):
    terminal.type("SELECT count(*) AS n,\r  count(*) + 38 AS more\r")
    shown = terminal.answer("FROM sources; -- all", "(1 row, ")
    assert "| 4 | 42   |" in shown, shown

    relations = terminal.answer(r"\d", "| sources ")
    assert "| name" in relations and "| objects " in relations, relations
    columns = terminal.answer(r"\d sources", "| nJy ")
    assert "| column" in columns and "Int64" in columns, columns
    assert "| abs " in terminal.answer(r"\df", "| upper ")
    assert "ab_mag(" in terminal.answer(r"\df ab_mag", "magnitude")

    shown = terminal.answer(r"\wrong", r"\q")
    assert r"unknown command \wrong" in shown and r"\timing" in shown, shown
    terminal.answer(r"\format yaml", "table, csv, json, parquet or arrow")
    terminal.answer(r"\format parquet", "binary")
    terminal.answer("SELECT psfFluss FROM sources;", "error: ")
    terminal.answer("DROP TABLE sources;", "error: ")

    terminal.answer(r"\timing", "timing is off")
    terminal.answer(r"\format csv", "format is csv")
    shown = terminal.answer("SELECT 6 * 7 AS answer;", "(1 row)")
    assert "answer\n42\n" in shown, shown
    terminal.answer(r"\format table", "format is table")


def abandoned(terminal):
    """Ctrl-C throws away a line, then stops a statement that would take for ever; the prompt goes on."""
    terminal.type("SELECT 1\r + \x03")
    terminal.listens_again()
    terminal.type("SELECT count(*) FROM range(100000000000000);\r")
    # A key at first, a signal once the statement is at work.
    terminal.repeat("\x03", "abandoned")
    terminal.listens_again()
    assert "| 3 " in terminal.answer("SELECT 1 + 2;", "(1 row")


def cut(terminal):
    """A long table is cut, and says so."""
    shown = terminal.answer("SELECT value AS v FROM range(1000) ORDER BY v;", "prints all")
    assert "the first 100 rows" in shown and "| 99 " in shown and "| 100 " not in shown, shown


def main():
    state, *command = sys.argv[1:]
    variables = {"XDG_STATE_HOME": state, "TERM": "xterm", "COLUMNS": "200"}

    terminal = Terminal(command, variables)
    first_session(terminal)
    abandoned(terminal)
    cut(terminal)
    terminal.type("SELECT 'kept' ||\r ' for later' AS t;\r")
    terminal.expect("kept for later")
    terminal.expect(PROMPT)
    terminal.leave()

    terminal = Terminal(command, variables)
    terminal.type("\x1b[A\r")  # the key Up: the last statement, both lines of it
    terminal.expect("| kept for later |")
    terminal.expect(PROMPT)
    terminal.leave()


main()
