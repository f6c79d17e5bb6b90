"""`make demo`: the main job once, from nothing: start the stack, draw PROMPT, write demo.png, stop."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from cli.crew import die_with_parent

_SAFELIGHT = str(Path(sys.executable).with_name("safelight"))
_OUTPUT = Path("demo.png")
_STOP_PATIENCE_S = 30


def run_demo(prompt: str) -> int:
    """The exit code of the whole: 0 when the picture is there and everything has stopped."""
    print(f"safelight: starting the stack; then drawing: {prompt}", flush=True)
    with tempfile.TemporaryDirectory(prefix="safelight-demo-") as folder:
        stack = subprocess.Popen(
            [_SAFELIGHT, "up", "--port", "0", "--data-dir", folder],
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=die_with_parent,
        )
        assert stack.stdout
        try:
            line = stack.stdout.readline().strip()
            if not line.startswith("ready "):
                return _explain(Path(folder))
            return _draw(prompt, line.removeprefix("ready "))
        finally:
            stack.send_signal(signal.SIGTERM)
            stack.wait(_STOP_PATIENCE_S)
            stack.stdout.close()


def _draw(prompt: str, url: str) -> int:
    done = subprocess.run([_SAFELIGHT, "generate", prompt, "--url", url, "--output", str(_OUTPUT)], check=False)
    if done.returncode == 0:
        print(f"look at {_OUTPUT.resolve()}", flush=True)
    return done.returncode


def _explain(folder: Path) -> int:
    log = folder / "stack.log"
    print("safelight: the stack did not start; the end of its log:", file=sys.stderr)
    print(log.read_text(errors="replace")[-4000:] if log.exists() else "(no log)", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(run_demo(os.environ.get("PROMPT") or "a lighthouse on the right in a stormy night"))
