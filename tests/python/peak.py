"""Runs a program and prints its exit code and the most memory it had, in KiB; its own output goes to stderr."""

import resource
import subprocess
import sys

code = subprocess.run(sys.argv[1:], stdout=sys.stderr).returncode
print(code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
