// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/objectstore"
	"github.com/termintreu/termintreu/internal/resources"
)

const scratch = "restore_scratch" // as docs/tasks/restore-by-hand.md calls it

var shellBlock = regexp.MustCompile("(?s)```sh\n(.*?)```")

// Acceptance 5: backups, looked at where they lie and restored as a person would.
var _ = Describe("A scheduled backup", func() {
	It("lies at three stores, and a person restores it with age, zstd and pg_restore by the steps in docs", func(ctx SpecContext) {
		tenant, who := tenantOf(ctx, fastLane), early.kept
		key := backupSince(ctx, tenant, early.booked)
		// A job goes on after its copies lie there: it proves one of them.
		Eventually(func() []string { return scheduledJobs(ctx, tenant) }).WithContext(ctx).ShouldNot(BeEmpty(), "no backup was made by the schedule")

		folder := GinkgoT().TempDir()
		for _, store := range tenant.Status.Backup.Stores {
			fetch(ctx, store.Name, key, filepath.Join(folder, "backup.dump.zst.age"))
		}
		identity, err := os.ReadFile(installation.AgeKey(tenant.Name))
		Expect(err).NotTo(HaveOccurred())
		Expect(os.WriteFile(filepath.Join(folder, "identity.txt"), identity, 0o600)).To(Succeed())
		server := serverOf("pg-ch-2")
		run(ctx, superuser(ctx, server.Name, "postgres"), `DROP DATABASE IF EXISTS `+scratch)
		raw, err := os.ReadFile(filepath.Join(root, "docs", "tasks", "restore-by-hand.md"))
		Expect(err).NotTo(HaveOccurred())
		blocks := shellBlock.FindAllStringSubmatch(string(raw), -1)
		Expect(len(blocks)).To(BeNumerically(">=", 6))
		for _, block := range blocks[:len(blocks)-1] {
			shell(ctx, folder, server.SuperuserSocketDir, block[1])
		}
		restored := superuser(ctx, server.Name, scratch)
		Expect(value[string](ctx, restored, `SELECT given_name || ' ' || email FROM `+tenant.Status.Database.Schema+`.contact WHERE family_name = $1`, who.family)).
			To(Equal(who.given + " " + who.email))
		Expect(restored.Close(ctx)).To(Succeed())
		shell(ctx, folder, server.SuperuserSocketDir, blocks[len(blocks)-1][1])
		Expect(filepath.Glob(filepath.Join(folder, "*.dump"))).To(BeEmpty(), "decrypted data is left")
	})

	It("that somebody deletes at one store turns BackupsCurrent False naming that store, and the next run repairs it", func(ctx SpecContext) {
		tenant, store := tenantOf(ctx, fastLane), "store-ch-2"
		DeferCleanup(func(ctx SpecContext) {
			suspend(ctx, tenant, "backup", false)
			suspend(ctx, tenant, "expiry", false)
			settled(ctx, fastLane)
		})
		for _, job := range []string{"backup", "expiry"} {
			hold(ctx, tenant, job)
		}
		// The newest: a copy is missed once it is too old to be on its way (2 min) and until it might have expired (5 min).
		key := dumpsAt(ctx, store, tenant.Status.DataID)[0]
		Eventually(func() time.Duration { return time.Since(startOf(key)) }).WithContext(ctx).Should(BeNumerically(">", 2*time.Minute))
		objects, bucket := storeOf(store)
		_, err := objects.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &bucket, Key: &key})
		Expect(err).NotTo(HaveOccurred())
		start := time.Now()
		failed := eventually(ctx, fastLane, v1alpha1.ConditionBackupsCurrent, metav1.ConditionFalse, "store "+store)
		noticed("from an object deleted behind our back to BackupsCurrent=False", start)
		Expect(failed.Reason).To(Equal(v1alpha1.ReasonCopyMissing))
		Expect(failed.Message).NotTo(Or(ContainSubstring("store store-ch-1"), ContainSubstring("store store-ch-3")))
		eventually(ctx, fastLane, v1alpha1.ConditionCompliant, metav1.ConditionFalse, store)

		suspend(ctx, tenant, "backup", false)
		suspend(ctx, tenant, "expiry", false)
		start = time.Now()
		settled(ctx, fastLane)
		noticed("from the schedule going on to Compliant=True", start)
	})

	It("is gone after its period, every version of it, at every store", func(ctx SpecContext) {
		tenant := tenantOf(ctx, fastLane)
		policy := &v1alpha1.RetentionPolicy{}
		Expect(kube.Get(ctx, client.ObjectKey{Name: tenant.Spec.RetentionPolicyRef.Name}, policy)).To(Succeed())
		period, err := policy.Spec.Backup.Period.Duration()
		Expect(err).NotTo(HaveOccurred())
		// A run that is expiring at this very moment may take a few seconds past the last minute.
		Eventually(func(g Gomega) {
			for _, store := range tenant.Status.Backup.Stores {
				for _, key := range versionsUnder(ctx, store.Name, tenant.Status.DataID+"/") {
					if strings.HasPrefix(key, tenant.Status.DataID+"/"+objectstore.JournalFolder) {
						continue // it outlives the backups it is for
					}
					g.Expect(time.Since(startOf(key))).To(BeNumerically("<=", period), "%s at %s", path.Base(key), store.Name)
				}
			}
		}).WithContext(ctx).Should(Succeed())
	})
})

func startOf(key string) time.Time {
	_, start, _, ok := objectstore.ParseKey(key)
	if !ok {
		return time.Time{}
	}
	return start
}

// backupSince waits for a backup begun after a moment that lies at every store, and gives its key.
func backupSince(ctx context.Context, tenant *v1alpha1.BookingTenant, since time.Time) (key string) {
	GinkgoHelper()
	Expect(tenant.Status.Backup.Stores).To(HaveLen(3))
	Eventually(func(g Gomega) {
		stores := tenant.Status.Backup.Stores
		common := dumpsAt(ctx, stores[0].Name, tenant.Status.DataID)
		for _, store := range stores[1:] {
			there := dumpsAt(ctx, store.Name, tenant.Status.DataID)
			common = slices.DeleteFunc(common, func(k string) bool { return !slices.Contains(there, k) })
		}
		common = slices.DeleteFunc(common, func(k string) bool { return !startOf(k).After(since) })
		g.Expect(common).NotTo(BeEmpty(), "no backup begun since lies at every store")
		key = common[0]
	}).WithContext(ctx).Should(Succeed())
	return key
}

// scheduledJobs are the finished jobs a backup CronJob made.
func scheduledJobs(ctx context.Context, tenant *v1alpha1.BookingTenant) (names []string) {
	GinkgoHelper()
	jobs := &batchv1.JobList{}
	Expect(kube.List(ctx, jobs, client.MatchingLabels{resources.LabelDataID: tenant.Status.DataID, resources.LabelComponent: string(resources.ComponentBackup)})).To(Succeed())
	for _, job := range jobs.Items {
		if owner := metav1.GetControllerOf(&job); owner != nil && owner.Kind == "CronJob" && job.Status.Succeeded > 0 {
			names = append(names, job.Name)
		}
	}
	return names
}

func fetched(ctx context.Context, store, key string) []byte {
	GinkgoHelper()
	objects, bucket := storeOf(store)
	object, err := objects.GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: &key})
	Expect(err).NotTo(HaveOccurred(), store)
	defer func() { _ = object.Body.Close() }()
	raw, err := io.ReadAll(object.Body)
	Expect(err).NotTo(HaveOccurred(), store)
	return raw
}

func fetch(ctx context.Context, store, key, file string) {
	GinkgoHelper()
	raw := fetched(ctx, store, key)
	if before, err := os.ReadFile(file); err == nil {
		Expect(string(before)).To(Equal(string(raw)), "the copy at %s differs", store)
	}
	Expect(os.WriteFile(file, raw, 0o600)).To(Succeed())
}

// shell runs commands of the documentation as a database administrator on the server would.
func shell(ctx context.Context, folder, socketDir, commands string) {
	GinkgoHelper()
	command := exec.CommandContext(ctx, "sh", "-e", "-c", commands)
	command.Dir = folder
	command.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "PG") }),
		"PGHOST="+socketDir, fmt.Sprintf("PGPORT=%d", serverOf("pg-ch-2").Port), "PGUSER=postgres")
	out, err := command.CombinedOutput()
	Expect(err).NotTo(HaveOccurred(), "%s\n%s", commands, out)
}
