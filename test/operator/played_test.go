// SPDX-License-Identifier: Apache-2.0

package operator_test

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/backup"
	"github.com/termintreu/termintreu/internal/plan"
	"github.com/termintreu/termintreu/internal/postgres"
	"github.com/termintreu/termintreu/internal/restore"
	"github.com/termintreu/termintreu/internal/retention"
	"github.com/termintreu/termintreu/internal/settings"
)

func dataIDOf(tenant *v1alpha1.BookingTenant) string { return plan.DataID(tenant.UID) }

// deployment waits for the tenant's.
func deployment(ctx context.Context, tenant *v1alpha1.BookingTenant) *appsv1.Deployment {
	GinkgoHelper()
	made := &appsv1.Deployment{}
	Eventually(func() error {
		return admin.Get(ctx, client.ObjectKey{Namespace: tenant.Namespace, Name: tenant.Name + "-booking"}, made)
	}).Should(Succeed())
	return made
}

// serve plays Deployment controller, scheduler and kubelet: every replica answers, each in a pod on the node.
func (w *world) serve(ctx context.Context, tenant *v1alpha1.BookingTenant, node string) []*corev1.Pod {
	GinkgoHelper()
	d := deployment(ctx, tenant)
	var pods []*corev1.Pod
	for i := range *d.Spec.Replicas {
		pods = append(pods, pod(ctx, d, fmt.Sprintf("%s-%d", d.Name, i), node))
	}
	w.answer(ctx, tenant)
	return pods
}

// answer plays the Deployment controller alone.
func (w *world) answer(ctx context.Context, tenant *v1alpha1.BookingTenant) {
	GinkgoHelper()
	d := deployment(ctx, tenant)
	before := d.DeepCopy()
	n := *d.Spec.Replicas
	d.Status = appsv1.DeploymentStatus{ObservedGeneration: d.Generation, Replicas: n, UpdatedReplicas: n, ReadyReplicas: n, AvailableReplicas: n}
	Expect(admin.Status().Patch(ctx, d, client.MergeFrom(before))).To(Succeed())
}

// pod makes one from the template; without a node it waits for one.
func pod(ctx context.Context, d *appsv1.Deployment, name, node string) *corev1.Pod {
	GinkgoHelper()
	made := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: d.Namespace, Name: name, Labels: d.Spec.Template.Labels, Annotations: d.Spec.Template.Annotations},
		Spec:       *d.Spec.Template.Spec.DeepCopy(),
	}
	Expect(admin.Create(ctx, made)).To(Succeed())
	if node != "" {
		schedule(ctx, made, node)
	}
	return made
}

// schedule plays the scheduler, under whose name alone the wall lets a pod meet its node.
func schedule(ctx context.Context, pod *corev1.Pod, node string) {
	GinkgoHelper()
	Expect(impersonating("system:kube-scheduler").SubResource("binding").Create(ctx, pod, &corev1.Binding{Target: corev1.ObjectReference{Kind: "Node", Name: node}})).To(Succeed())
}

// relabel moves a node to another place, as one of the administrators the region names.
func (w *world) relabel(ctx context.Context, name, value string) *corev1.Node {
	GinkgoHelper()
	node := &corev1.Node{}
	Expect(admin.Get(ctx, client.ObjectKey{Name: name}, node)).To(Succeed())
	before := node.DeepCopy()
	if node.Labels[w.region.Spec.Nodes.Label] = value; value == "" {
		delete(node.Labels, w.region.Spec.Nodes.Label)
	}
	Expect(admin.Patch(ctx, node, client.MergeFrom(before))).To(Succeed())
	return node
}

// jobFiles waits for Secret and ConfigMap of one of the tenant's jobs, complete with the keys of every store.
func (w *world) jobFiles(ctx context.Context, tenant *v1alpha1.BookingTenant, job string) (map[string][]byte, []byte) {
	GinkgoHelper()
	key := client.ObjectKey{Namespace: w.region.Spec.PlatformNamespace, Name: dataIDOf(tenant) + "-" + job}
	secret, document := &corev1.Secret{}, &corev1.ConfigMap{}
	Eventually(func(g Gomega) {
		g.Expect(admin.Get(ctx, key, secret)).To(Succeed())
		g.Expect(admin.Get(ctx, key, document)).To(Succeed())
		if job == "backup" {
			for _, store := range w.region.Spec.BackupStores {
				id, _ := settings.StoreKeys(store.Name)
				g.Expect(secret.Data[id]).NotTo(BeEmpty())
			}
		}
	}).Should(Succeed())
	return secret.Data, []byte(document.Data[settings.FileKey])
}

// keysIn gives the credentials of the stores in a Secret, as a job reads them.
func keysIn(secret map[string][]byte) backup.StoreKeys {
	return func(store string) (string, string, error) {
		id, key := settings.StoreKeys(store)
		return string(secret[id]), string(secret[key]), nil
	}
}

// backupOptions are those the backup job of a tenant runs with: what the operator made for it and nothing else. The run
// began some time ago, so that no copy can still be on its way to a store.
func (w *world) backupOptions(ctx context.Context, tenant *v1alpha1.BookingTenant, ago time.Duration) backup.Options {
	GinkgoHelper()
	secret, raw := w.jobFiles(ctx, tenant, "backup")
	o := backup.Options{
		Credentials: settings.Credentials{Username: string(secret[settings.UsernameKey]), Password: string(secret[settings.PasswordKey])},
		Keys:        keysIn(secret),
		Scratch:     GinkgoTB().TempDir(), PGDump: filepath.Join(server.Binaries, "pg_dump"),
		Now: func() time.Time { return time.Now().Add(-ago) },
	}
	Expect(json.Unmarshal(raw, &o.Settings)).To(Succeed())
	every, err := o.Settings.RestoreTestEvery.Duration()
	Expect(err).NotTo(HaveOccurred())
	o.Trial = &restore.Trial{Database: o.Settings.Database, Credentials: o.Credentials, Every: every, Program: filepath.Join(server.Binaries, "pg_restore")}
	return o
}

// backUp runs the tenant's backup job as if some time ago.
func (w *world) backUp(ctx context.Context, tenant *v1alpha1.BookingTenant, ago time.Duration) backup.Result {
	GinkgoHelper()
	o := w.backupOptions(ctx, tenant, ago)
	Eventually(func(g Gomega) {
		live := &v1alpha1.BookingTenant{}
		g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(tenant), live)).To(Succeed())
		g.Expect(live.Status.Database).NotTo(BeNil())
	}).Should(Succeed())
	result, err := backup.Run(ctx, o)
	Expect(err).NotTo(HaveOccurred())
	return result
}

// purge runs the tenant's retention job.
func (w *world) purge(ctx context.Context, tenant *v1alpha1.BookingTenant) retention.Report {
	GinkgoHelper()
	secret, raw := w.jobFiles(ctx, tenant, "retention")
	var document settings.Retain
	Expect(json.Unmarshal(raw, &document)).To(Succeed())
	config, err := postgres.OperandConfig(document.Database, settings.Credentials{
		Username: string(secret[settings.UsernameKey]), Password: string(secret[settings.PasswordKey]),
	})
	Expect(err).NotTo(HaveOccurred())
	report, err := retention.Run(ctx, retention.Options{Config: config})
	Expect(err).NotTo(HaveOccurred())
	return report
}

// settle makes a tenant Ready and Compliant: its site answers and a backup lies at every store.
func (w *world) settle(ctx context.Context, tenant *v1alpha1.BookingTenant) {
	GinkgoHelper()
	w.serve(ctx, tenant, w.name+"-trusted")
	w.backUp(ctx, tenant, 2*time.Hour)
	eventually(ctx, tenant, v1alpha1.ConditionReady, metav1.ConditionTrue)
	eventually(ctx, tenant, v1alpha1.ConditionCompliant, metav1.ConditionTrue)
}

// value asks the world's database as superuser.
func value[T any](ctx context.Context, w *world, sql string, arguments ...any) T {
	GinkgoHelper()
	conn := server.Superuser(GinkgoTB(), w.database())
	defer func() { _ = conn.Close(ctx) }()
	rows, err := conn.Query(ctx, sql, arguments...)
	Expect(err).NotTo(HaveOccurred())
	result, err := pgx.CollectExactlyOneRow(rows, pgx.RowTo[T])
	Expect(err).NotTo(HaveOccurred())
	return result
}

// execute runs a statement in the world's database as superuser.
func execute(ctx context.Context, w *world, sql string, arguments ...any) {
	GinkgoHelper()
	conn := server.Superuser(GinkgoTB(), w.database())
	defer func() { _ = conn.Close(ctx) }()
	_, err := conn.Exec(ctx, sql, arguments...)
	Expect(err).NotTo(HaveOccurred())
}

// login tries to connect with the credentials of a Secret as the operand would.
func (w *world) login(ctx context.Context, dataID string, secret map[string][]byte) error {
	config, err := postgres.OperandConfig(
		settings.Database{Host: server.Host, Port: server.Port, Name: w.database(), Schema: dataID, CABundle: server.CABundle},
		settings.Credentials{Username: string(secret[settings.UsernameKey]), Password: string(secret[settings.PasswordKey])})
	if err != nil {
		return err
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return err
	}
	return conn.Close(ctx)
}
