package command_test

import (
	"net/netip"
	"testing"

	"github.com/grantlog/grantlog/handlers/command"
)

func TestPublicAddress(t *testing.T) {
	for _, public := range []string{"1.1.1.1", "172.15.0.1", "172.32.0.1", "192.0.1.1", "223.255.255.1", "2606:4700::1111", "::ffff:1.1.1.1"} {
		if !command.PublicAddress(netip.MustParseAddr(public)) {
			t.Errorf("%s is taken for private", public)
		}
	}
	for _, private := range []string{
		"127.0.0.1", "127.255.0.1", "0.0.0.0", "0.1.2.3", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1",
		"169.254.169.254", "168.63.129.16", "100.64.0.1", "100.100.100.200", "192.0.0.192", "198.18.0.1", "224.0.0.1", "255.255.255.255",
		"240.0.0.1", "203.0.113.9", "::", "::1", "fe80::1", "fe80::1%eth0", "fd00:ec2::254", "fc00::1", "ff02::1", "fec0::1",
		"::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::1", "2002:7f00:1::", "2001::1", "2001:db8::1",
	} {
		if command.PublicAddress(netip.MustParseAddr(private)) {
			t.Errorf("%s is taken for public", private)
		}
	}
	if command.PublicAddress(netip.Addr{}) {
		t.Error("no address is taken for public")
	}
}
