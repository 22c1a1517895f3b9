"""What tests share: token servers and throw-away certificates for the registries of `demo`."""
