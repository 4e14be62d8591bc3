"""Compare the pinned dependencies with databases of known vulnerabilities.

    python tests/packaging/audit.py constraints.txt

Exit code 1 where one is known; 0 where none is, and also where no database answers, which is said: a computer without a
network can build. `--strict` makes that an error, too.
"""

import json
import subprocess
import sys


def main() -> None:
    arguments = [one for one in sys.argv[1:] if one != "--strict"]
    command = [sys.executable, "-m", "pip_audit", "--no-deps", "--disable-pip", "--progress-spinner", "off"]
    ran = subprocess.run([*command, "--format", "json", "-r", *arguments], capture_output=True, text=True)
    try:
        found = json.loads(ran.stdout)["dependencies"]
        if all("skip_reason" in each for each in found):
            ran.stderr = str(found[0]["skip_reason"]) if found else "no package is pinned"
            raise ValueError
    except (ValueError, KeyError, TypeError):
        reason = (ran.stderr.strip().splitlines() or [f"exit code {ran.returncode}"])[-1]
        print(f"nothing was audited, no database answers: {reason[:300]}")
        raise SystemExit(int("--strict" in sys.argv)) from None
    known = [(each["name"], each["version"], one) for each in found for one in each.get("vulns", ())]
    for name, version, one in known:
        fixed = ", ".join(one.get("fix_versions", ())) or "no release yet"
        print(f"{name} {version}: {one['id']}, fixed in {fixed}")
    skipped = [each["name"] for each in found if "skip_reason" in each]
    print(f"{len(found) - len(skipped)} packages audited, {len(known)} known vulnerabilities, {len(skipped)} skipped")
    raise SystemExit(int(bool(known)))


if __name__ == "__main__":
    main()
