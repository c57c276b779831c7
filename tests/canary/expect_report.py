"""expect_report.py PROGRAM TEXT: runs a program that must fail, and fails unless it did so with
the sanitizer's report. A canary that survives means that the sanitizer is off."""
import subprocess
import sys


def main():
    program, text = sys.argv[1:3]
    done = subprocess.run([program], capture_output=True, text=True, timeout=60, check=False)
    output = done.stdout + done.stderr
    print(output)
    if done.returncode == 0:
        print(f"{program} survived: the sanitizer is off")
        return 1
    if text not in output:
        print(f"{program} ended with {done.returncode}, but not by a report of: {text}")
        return 1
    print(f"caught, as it should be: {text}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
