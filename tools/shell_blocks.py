"""Print the ``sh`` blocks of Markdown pages as they are written, each followed by a zero byte."""

import re
import sys
from pathlib import Path

for page in sys.argv[1:]:
    for block in re.findall(r"^```sh\n(.*?)^```$", Path(page).read_text("utf-8"), re.M | re.S):
        print(block, end="\0")
