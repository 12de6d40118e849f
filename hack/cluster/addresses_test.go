// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"fmt"
	"net/netip"
	"testing"
)

func TestAddressPlanGivesNoAddressTwice(t *testing.T) {
	spec := DefaultSpec(".demo")
	seen := map[string]bool{}
	for _, address := range spec.localAddresses() {
		if seen[address] {
			t.Errorf("%s is given twice", address)
		}
		seen[address] = true
	}
	for i := range spec.Nodes {
		first, last := podRangeOf(i)
		low, high := netip.MustParseAddr(first), netip.MustParseAddr(last)
		for address := range seen {
			if a := netip.MustParseAddr(address); a.Compare(low) >= 0 && a.Compare(high) <= 0 {
				t.Errorf("%s lies in the pod range of %s", address, spec.Nodes[i].Name)
			}
		}
	}
}

func TestAddressPlanKeepsPortsApart(t *testing.T) {
	seen := map[int]bool{}
	for i := range maxPerAddressed {
		for _, port := range []int{kubeletPort(i), kubeletHealthzPort(i)} {
			if seen[port] {
				t.Fatalf("port %d is given twice", port)
			}
			seen[port] = true
		}
	}
}

func TestIdentifierTellsClonesApart(t *testing.T) {
	one, err := identifier("/a/.demo")
	if err != nil {
		t.Fatal(err)
	}
	other, err := identifier("/b/.demo")
	if err != nil {
		t.Fatal(err)
	}
	if one == other {
		t.Errorf("both are %s", one)
	}
	if _, err := identifier("/a/b c"); err == nil {
		t.Error("a name that cannot be a network name was accepted")
	}
}

func TestValidateRefusesMoreThanThePlanHolds(t *testing.T) {
	spec := DefaultSpec(".demo")
	for i := range maxPerAddressed {
		spec.Nodes = append(spec.Nodes, NodeSpec{Name: fmt.Sprintf("n-%d", i)})
	}
	if spec.validate() == nil {
		t.Error("accepted")
	}
}
