#!/usr/bin/python3
"""Makes tests/dns/root.zone and root.key: a root zone of our own, signed for long.

usage: tests/dns/sign.py          (needs python3-dnspython and python3-cryptography)

"forged." has a signature that doesn't fit; "insecure." is delegated without DS.
"""
import datetime
import pathlib

import dns.dnssec
import dns.name
import dns.rdataset
import dns.rdatatype
import dns.zone
from cryptography.hazmat.primitives.asymmetric import ec

HERE = pathlib.Path(__file__).parent
TEXT = """
@ 3600 IN SOA ns. host. 1 3600 900 604800 600
@ 3600 IN NS ns.
forged 3600 IN A 192.0.2.66
good 3600 IN A 192.0.2.1
good 3600 IN TXT "signed"
alias 3600 IN CNAME good.
insecure 3600 IN NS ns.
ns 3600 IN A 127.0.0.1
"""
BEGIN = datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc)
END = datetime.datetime(2080, 1, 1, tzinfo=datetime.timezone.utc)


def nsec(name, following, types):
    words = " ".join(dns.rdatatype.to_text(t) for t in sorted(types))
    text = f"{following.to_text()} {words} NSEC RRSIG"
    return dns.rdata.from_text("IN", "NSEC", text)


def main():
    root = dns.name.root
    private = ec.generate_private_key(ec.SECP256R1())
    key = dns.dnssec.make_dnskey(private.public_key(), dns.dnssec.Algorithm.ECDSAP256SHA256, 257)
    zone = dns.zone.from_text(TEXT, root, relativize=False)
    zone.replace_rdataset(root, dns.rdataset.from_rdata(3600, key))
    names = sorted(zone.nodes)
    for i, name in enumerate(names):
        types = [r.rdtype for r in zone.nodes[name].rdatasets]
        record = nsec(name, names[(i + 1) % len(names)], types)
        zone.replace_rdataset(name, dns.rdataset.from_rdata(600, record))
    for name in names:
        for rdataset in list(zone.nodes[name].rdatasets):
            if name.to_text() == "insecure." and rdataset.rdtype == dns.rdatatype.NS:
                continue
            signed = name
            if name.to_text() == "forged." and rdataset.rdtype == dns.rdatatype.A:
                signed = dns.name.from_text("other.")
            rrsig = dns.dnssec._sign((signed, rdataset), private, root, key, BEGIN, END)
            zone.find_rdataset(name, "RRSIG", rdataset.rdtype, create=True).add(rrsig, 3600)
    (HERE / "root.zone").write_text(zone.to_text(relativize=False) + "\n")
    (HERE / "root.key").write_text(f". 3600 IN DNSKEY {key.to_text()}\n")


main()
