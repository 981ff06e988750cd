"""`python -m artstore_client` is the `artstore` command."""

from artstore_client.cli.app import main

main()
