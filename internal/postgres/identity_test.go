// SPDX-License-Identifier: Apache-2.0

package postgres_test

import (
	"errors"
	"net"
	"testing"
	"time"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/evidence"
	"github.com/termintreu/termintreu/internal/postgres"
	"github.com/termintreu/termintreu/internal/testing/pgtest"
)

func TestEveryConnectionIsMetBeforeItIsUsed(t *testing.T) {
	server := pgtest.Start(t)
	database := server.NewDatabase(t)
	superuser := server.Superuser(t, database)
	identifier := value[string](t, superuser, "SELECT system_identifier::text FROM pg_control_system()")

	met, right := 0, operatorOf(server)
	right.Meet = func(seen string, _ net.Conn) error {
		met++
		if seen != identifier {
			t.Errorf("met %s, want %s", seen, identifier)
		}
		return nil
	}
	admin := open(t, right, database)
	must(t, admin.Prepare(t.Context()))
	if registered, _, err := admin.Registry(t.Context(), nil); err != nil || registered != identifier || met != 1 {
		t.Errorf("the database says it is on %q (%v), want %s; %d connections were met", registered, err, identifier, met)
	}

	wrong := operatorOf(server)
	wrong.Meet = func(seen string, _ net.Conn) error {
		return &postgres.ForeignServerError{Server: "test", Seen: seen, Known: "42"}
	}
	empty := server.NewDatabase(t)
	admin = open(t, wrong, empty)
	var foreign *postgres.ForeignServerError
	if err := admin.Prepare(t.Context()); !errors.As(err, &foreign) || foreign.Seen != identifier {
		t.Errorf("preparing a database of another server gave %v", err)
	}
	if _, err := admin.Audit(t.Context()); !errors.As(err, &foreign) {
		t.Errorf("auditing a database of another server gave %v", err)
	}
	if left := value[int64](t, server.Superuser(t, empty), "SELECT count(*) FROM pg_namespace WHERE nspname = 'termintreu'"); left != 0 {
		t.Error("something was written to another server")
	}
}

func TestTheRegistryKnowsWhoseDataItHolds(t *testing.T) {
	_, _, admin := prepared(t)
	tenant := newTenant()
	must(t, admin.Ensure(t.Context(), tenant))
	if _, holds, err := admin.Registry(t.Context(), []string{"tother", tenant.DataID}); err != nil || !holds {
		t.Errorf("a registered tenant is held: %t, %v", holds, err)
	}
	if _, holds, err := admin.Registry(t.Context(), []string{"tother"}); err != nil || holds {
		t.Errorf("another tenant is held: %t, %v", holds, err)
	}
}

func TestAHandshakeShowsTheCertificateAndWhatIsWrongWithIt(t *testing.T) {
	server := pgtest.Another(t)
	to := operatorOf(server)
	state, address, err := to.Handshake(t.Context())
	must(t, err)
	first := evidence.Met(&state, address)
	if first.Key == "" || first.Address == "" || !first.NotAfter.After(time.Now()) {
		t.Errorf("met %+v", first)
	}

	server.Certify(t, time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
	second := first
	for deadline := time.Now().Add(time.Minute); second.Key == first.Key && time.Now().Before(deadline); {
		state, address, err = to.Handshake(t.Context())
		must(t, err)
		second = evidence.Met(&state, address)
	}
	if second.Key == first.Key || second.Address != first.Address || !second.NotAfter.Before(first.NotAfter) {
		t.Errorf("after a renewal %+v, before %+v", second, first)
	}

	server.Certify(t, time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour))
	for deadline := time.Now().Add(time.Minute); err == nil && time.Now().Before(deadline); {
		_, _, err = to.Handshake(t.Context())
	}
	if fault, is := evidence.Faulty(err); !is || fault.FaultReason != v1alpha1.ReasonCertificateExpired {
		t.Errorf("a certificate that has ended gives %+v: %v", fault, err)
	}

	elsewhere := to
	elsewhere.Host = "127.0.0.1"
	_, _, err = elsewhere.Handshake(t.Context())
	if fault, is := evidence.Faulty(err); !is || fault.FaultReason == "" {
		t.Errorf("a name the certificate does not carry gives %+v: %v", fault, err)
	}
}
