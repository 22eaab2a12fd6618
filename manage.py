#!/usr/bin/env python
"""Django's command line."""

import os
import sys

from sensenova_billing.command_line import run_command

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sensenova_billing.settings")
    run_command(sys.argv)
