"""The C2SP log formats: Merkle tree, tiles and entry bundles, signed notes. Pure; never in here: files, clocks, our leaves."""
