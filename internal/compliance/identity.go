// SPDX-License-Identifier: Apache-2.0

package compliance

import (
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/plan"
)

// Endpoint is what a database server or a store showed of itself on the connection it was measured over.
type Endpoint struct {
	// Declared is the digest of the declaration it was met under.
	Declared string
	// Address that was reached, as IP:port, and Key, the SHA-256 of the public key presented there. Failover and a
	// renewed certificate change them without alarm.
	Address, Key string
	// NotBefore of the certificate presented; NotAfter is the first end in its verified chain.
	NotBefore, NotAfter time.Time
	// Fault says why the connection cannot be trusted, FaultReason is its condition reason; empty when it was verified.
	Fault, FaultReason string
	// Identity it showed, empty when it showed none, and Pinned, what its name stands for: the system identifier of a
	// server, the version of the operator's mark in a bucket.
	Identity, Pinned string
}

// NoMark is the identity of a bucket that lacks the operator's mark.
const NoMark = "no mark"

// identified: the database server and the stores are the ones their names stand for (D2): a host name can be pointed
// elsewhere, and a bucket be made again.
func identified(p *plan.Plan, e *Evidence, clock Clock) Finding {
	var parts []Finding
	for _, use := range Endpoints(p) {
		parts = append(parts, known(p, use, e.Endpoints[use.Where], clock))
	}
	return join("", parts...)
}

// EndpointUse is a database server or a store the plan uses.
type EndpointUse struct {
	// Where is its name, as processors have it.
	Where  string
	Server bool
}

// Endpoints of a plan: its database server, its stores and its archives.
func Endpoints(p *plan.Plan) []EndpointUse {
	uses := []EndpointUse{{plan.ServerUse(p.Database.Server.Name), true}}
	for i := range p.Backup.Stores {
		uses = append(uses, EndpointUse{Where: plan.StoreUse(p.Backup.Stores[i].Name)})
	}
	for _, store := range p.Archives() {
		uses = append(uses, EndpointUse{Where: plan.ArchiveUse(store.Name)})
	}
	return uses
}

func known(p *plan.Plan, use EndpointUse, sample Sample[Endpoint], clock Clock) Finding {
	f := Finding{}
	if !fresh(sample, "which "+use.Where+" is", &f, clock) {
		return f
	}
	switch met := sample.Value; {
	case met.Identity == "" || met.Pinned == "":
		f.Status, f.Reason, f.Message = metav1.ConditionUnknown, v1alpha1.ReasonNoEvidence, use.Where+" has not shown which one it is"
	case met.Identity == met.Pinned:
		f.Status, f.Reason = metav1.ConditionTrue, v1alpha1.ReasonMeasured
	case use.Server:
		f.violate(use.Where, met.Address, v1alpha1.ReasonServerReplaced, "%s is another server: its system identifier is %s, and the name stands for %s; "+
			"point host and Secret back at the server that holds the data, or, if it was moved on purpose, give systemIdentifier: %q in DataRegion %s",
			use.Where, met.Identity, met.Pinned, met.Identity, p.Region.Name)
	default:
		f.violate(use.Where, met.Address, v1alpha1.ReasonStoreReplaced, "the bucket of %s is another one: its mark is %s, and the name stands for %s; "+
			"point DataRegion %s back at the bucket that holds the backups, or give another bucket another store name",
			use.Where, met.Identity, met.Pinned, p.Region.Name)
	}
	return f
}

// Replaced names the first endpoint that is not the one its name stands for; empty when none is known to be.
func Replaced(p *plan.Plan, e map[string]Sample[Endpoint]) string {
	for _, use := range Endpoints(p) {
		if met := e[use.Where].Value; met.Identity != "" && met.Pinned != "" && met.Identity != met.Pinned {
			return fmt.Sprintf("%s is another one than its name stands for: nothing is changed until it is back", use.Where)
		}
	}
	return ""
}
