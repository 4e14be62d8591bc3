"""Questions asked in one trip: each has its own answer, and what a phone lacks says nothing and ends nothing."""

import subprocess

from mogakit.android_runner import script

QUESTIONS = {
    "several": "cat /none/a; rm /none/b; head -c 3 /none/c | cat; echo kept",
    "pipeline": "no-such-command | cat",
    "choice": "if [ -e /none ]; then echo yes; else cat /none/d; echo no; fi",
    "last": "printf '%s' there",
}


def test_no_part_of_a_question_complains_or_ends_the_others() -> None:
    done = subprocess.run(["/bin/sh", "-c", script.build(QUESTIONS)], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert script.split(done.stdout) == {"several": "kept", "pipeline": "", "choice": "no", "last": "there"}
