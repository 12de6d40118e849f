// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/hack/cluster"
	"github.com/termintreu/termintreu/internal/settings"
)

func serverOf(name string) cluster.PostgresEndpoint {
	GinkgoHelper()
	i := slices.IndexFunc(ends.Postgres, func(p cluster.PostgresEndpoint) bool { return p.Name == name })
	Expect(i).To(BeNumerically(">=", 0), "the cluster has no server %s", name)
	return ends.Postgres[i]
}

// superuser connects as nobody of the product can: through the server's own socket.
func superuser(ctx context.Context, server, database string) *pgx.Conn {
	GinkgoHelper()
	endpoint := serverOf(server)
	conn, err := pgx.Connect(ctx, fmt.Sprintf("host=%s port=%d user=postgres dbname=%s", endpoint.SuperuserSocketDir, endpoint.Port, database))
	Expect(err).NotTo(HaveOccurred())
	closeAfter(ctx, conn)
	return conn
}

// closeAfter closes a connection when the spec, or the cleanup, it was made in ends.
func closeAfter(ctx context.Context, conn *pgx.Conn) {
	context.AfterFunc(ctx, func() { _ = conn.Close(context.Background()) })
}

// home connects as superuser to the database of a tenant, inside its schema.
func home(ctx context.Context, tenant *v1alpha1.BookingTenant) *pgx.Conn {
	GinkgoHelper()
	Expect(tenant.Status.Database).NotTo(BeNil())
	conn := superuser(ctx, tenant.Status.Database.Server, tenant.Status.Database.Name)
	run(ctx, conn, "SET search_path = "+pgx.Identifier{tenant.Status.Database.Schema}.Sanitize()+", extensions, public")
	return conn
}

func run(ctx context.Context, conn *pgx.Conn, sql string, args ...any) {
	GinkgoHelper()
	_, err := conn.Exec(ctx, sql, args...)
	Expect(err).NotTo(HaveOccurred())
}

// value reads one value of one row.
func value[T any](ctx context.Context, conn *pgx.Conn, sql string, args ...any) T {
	GinkgoHelper()
	var out T
	Expect(conn.QueryRow(ctx, sql, args...).Scan(&out)).To(Succeed())
	return out
}

// as connects with the credentials in a Secret, over TLS, from inside the cluster's network.
func as(ctx context.Context, tenant *v1alpha1.BookingTenant, namespace, secretName string) *pgx.Conn {
	GinkgoHelper()
	secret := &corev1.Secret{}
	Expect(kube.Get(ctx, client.ObjectKey{Namespace: namespace, Name: secretName}, secret)).To(Succeed())
	endpoint := serverOf(tenant.Status.Database.Server)
	config, err := pgx.ParseConfig(fmt.Sprintf("host=%s port=%d dbname=%s sslmode=verify-full", endpoint.Host, endpoint.Port, tenant.Status.Database.Name))
	Expect(err).NotTo(HaveOccurred())
	config.User, config.Password = string(secret.Data[settings.UsernameKey]), string(secret.Data[settings.PasswordKey])
	ca, err := os.ReadFile(ends.CAFile)
	Expect(err).NotTo(HaveOccurred())
	roots := x509.NewCertPool()
	Expect(roots.AppendCertsFromPEM(ca)).To(BeTrue())
	config.TLSConfig = &tls.Config{RootCAs: roots, ServerName: endpoint.Host, MinVersion: tls.VersionTLS12}
	config.Fallbacks = nil
	config.DialFunc = installation.Cluster.Dial
	config.LookupFunc = func(_ context.Context, host string) ([]string, error) { return []string{host}, nil }
	conn, err := pgx.ConnectConfig(ctx, config)
	Expect(err).NotTo(HaveOccurred())
	closeAfter(ctx, conn)
	return conn
}

// appointmentOf inserts a cancelled appointment with a contact, as if it had been booked and cancelled then.
func appointmentOf(ctx context.Context, conn *pgx.Conn, family string, cancelled time.Duration) {
	GinkgoHelper()
	run(ctx, conn, `WITH a AS (
		INSERT INTO appointment (office, counter, service, channel, starts_at, ends_at, state, locale, token_hash, created_at, confirmed_at, cancelled_at)
		VALUES ('schalter', 1, 'blitz', 'OnSite', now() + interval '20 hours', now() + interval '20 hours 1 minute', 'cancelled', 'de',
			sha256(gen_random_uuid()::text::bytea), now() - make_interval(secs => $2) - interval '1 minute', now() - make_interval(secs => $2), now() - make_interval(secs => $2))
		RETURNING id)
		INSERT INTO contact (appointment_id, given_name, family_name, notice_date, created_at)
		SELECT id, 'Zoë', $1, current_date, now() - make_interval(secs => $2) FROM a`, family, cancelled.Seconds())
}

// contacts counts the contacts of a family name.
func contacts(ctx context.Context, conn *pgx.Conn, family string) int64 {
	GinkgoHelper()
	return value[int64](ctx, conn, `SELECT count(*) FROM contact WHERE family_name = $1`, family)
}

func cronJob(ctx context.Context, tenant *v1alpha1.BookingTenant, component string) *batchv1.CronJob {
	GinkgoHelper()
	cron := &batchv1.CronJob{}
	namespace := regionOf(ctx, tenant.Spec.RegionRef.Name).Spec.PlatformNamespace
	Expect(kube.Get(ctx, client.ObjectKey{Namespace: namespace, Name: tenant.Status.DataID + "-" + component}, cron)).To(Succeed())
	return cron
}
