"""Runs the writer process."""

import sys

from tallystick.audit.writer.process import main

sys.exit(main())
