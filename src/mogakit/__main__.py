"""`python -m mogakit`, which is how `torchrun` starts the command in several processes."""

from mogakit.cli.main import main

if __name__ == "__main__":
    main()
