"""The adversary: people who speak valid QUIC and mean harm, seeded; see `attacks.ATTACKS`."""
