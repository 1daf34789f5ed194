"""`python -m tallystick.cli`: the command where no script is on the PATH."""

from tallystick.cli.main import main

if __name__ == "__main__":
    main()
