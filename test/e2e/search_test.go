// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/termintreu/termintreu/internal/resources"
	"github.com/termintreu/termintreu/internal/settings"
)

// tablesHolding searches every table of every database on every server for a text, and names those that hold it.
func tablesHolding(ctx context.Context, text string) (found []string) {
	GinkgoHelper()
	for _, server := range ends.Postgres {
		databases := column(ctx, superuser(ctx, server.Name, "postgres"), `SELECT datname FROM pg_database WHERE datallowconn`)
		for _, database := range databases {
			conn := superuser(ctx, server.Name, database)
			// Sequences and views hold nothing of their own; statistics are searched since samples of rows end up there.
			tables := column(ctx, conn, `SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
				WHERE c.relkind IN ('r', 'p', 'm') AND n.nspname NOT IN ('information_schema') AND n.nspname !~ '^pg_toast'`)
			for _, table := range tables {
				var hits int64
				err := conn.QueryRow(ctx, `SELECT count(*) FROM `+table+` AS t WHERE position(lower($1) IN lower(t::text)) > 0`, text).Scan(&hits)
				// Scratch schemas, quarantines and days of the access log come and go.
				var gone *pgconn.PgError
				if errors.As(err, &gone) && (gone.Code == "42P01" || gone.Code == "3F000") {
					continue
				}
				Expect(err).NotTo(HaveOccurred(), table)
				if hits > 0 {
					found = append(found, fmt.Sprintf("%s/%s/%s", server.Name, database, table))
				}
			}
			Expect(conn.Close(ctx)).To(Succeed())
		}
	}
	return found
}

func column(ctx context.Context, conn *pgx.Conn, sql string) []string {
	GinkgoHelper()
	rows, err := conn.Query(ctx, sql)
	Expect(err).NotTo(HaveOccurred())
	values, err := pgx.CollectRows(rows, pgx.RowTo[string])
	Expect(err).NotTo(HaveOccurred())
	return values
}

// objectsHolding searches every object of every kind the API server has, Secrets decoded.
func objectsHolding(ctx context.Context, texts ...string) (found []string) {
	GinkgoHelper()
	lists, err := discovery.NewDiscoveryClientForConfigOrDie(kubeConfig).ServerPreferredResources()
	Expect(err).NotTo(HaveOccurred())
	objects := dynamic.NewForConfigOrDie(kubeConfig)
	looked := 0
	for _, list := range lists {
		group, err := schema.ParseGroupVersion(list.GroupVersion)
		Expect(err).NotTo(HaveOccurred())
		for _, kind := range list.APIResources {
			if !strings.Contains(strings.Join(kind.Verbs, " "), "list") {
				continue
			}
			items, err := objects.Resource(group.WithResource(kind.Name)).List(ctx, metav1.ListOptions{})
			Expect(err).NotTo(HaveOccurred(), kind.Name)
			for _, item := range items.Items {
				looked++
				raw, err := json.Marshal(item.Object)
				Expect(err).NotTo(HaveOccurred())
				if says(string(raw), texts) {
					found = append(found, kind.Name+" "+item.GetNamespace()+"/"+item.GetName())
				}
			}
		}
	}
	secrets := &corev1.SecretList{}
	Expect(kube.List(ctx, secrets)).To(Succeed())
	for _, secret := range secrets.Items {
		for _, data := range secret.Data {
			if says(string(data), texts) {
				found = append(found, "secret "+secret.Namespace+"/"+secret.Name)
			}
		}
	}
	Expect(looked).To(BeNumerically(">", 100), "hardly any object was looked at")
	return found
}

// logsHolding searches the logs of every container, those before a restart too, of jobs and ingresses as of sites, and
// those of database servers, stores, mail relay and cluster on disk.
func logsHolding(ctx context.Context, texts ...string) (found []string) {
	GinkgoHelper()
	clients := kubernetes.NewForConfigOrDie(kubeConfig)
	pods := &corev1.PodList{}
	Expect(kube.List(ctx, pods)).To(Succeed())
	looked := 0
	for _, pod := range pods.Items {
		for _, status := range pod.Status.ContainerStatuses {
			for _, previous := range []bool{false, true}[:1+min(status.RestartCount, 1)] {
				raw, err := clients.CoreV1().Pods(pod.Namespace).GetLogs(pod.Name, &corev1.PodLogOptions{Container: status.Name, Previous: previous}).DoRaw(ctx)
				if err != nil {
					continue // a pod of a job that went meanwhile, or that has not begun
				}
				looked += len(raw)
				if says(string(raw), texts) {
					found = append(found, "log of pod "+pod.Namespace+"/"+pod.Name)
				}
			}
		}
	}
	Expect(looked).NotTo(BeZero(), "no pod has said anything")
	err := filepath.WalkDir(filepath.Join(*dir, "logs"), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		raw, err := os.ReadFile(path)
		if says(string(raw), texts) {
			found = append(found, "log "+entry.Name())
		}
		return err
	})
	Expect(err).NotTo(HaveOccurred())
	return found
}

// metricsHolding searches what every instance tells on its internal port: its metrics, and what it found of its
// catalogue.
func metricsHolding(ctx context.Context, texts ...string) (found []string) {
	GinkgoHelper()
	clients := kubernetes.NewForConfigOrDie(kubeConfig)
	pods := &corev1.PodList{}
	Expect(kube.List(ctx, pods, client.MatchingLabels{resources.LabelComponent: string(resources.ComponentInstance)})).To(Succeed())
	looked := 0
	for _, pod := range pods.Items {
		for _, path := range []string{"metrics", settings.OrphansPath} {
			raw, err := clients.CoreV1().Pods(pod.Namespace).ProxyGet("http", pod.Name, strconv.Itoa(resources.PortInternal), path, nil).DoRaw(ctx)
			if err != nil {
				continue // a pod that is going or coming
			}
			looked += len(raw)
			if says(string(raw), texts) {
				found = append(found, path+" of pod "+pod.Namespace+"/"+pod.Name)
			}
		}
	}
	Expect(looked).NotTo(BeZero(), "no instance shows metrics")
	return found
}

// storesHolding searches what stores show to whoever can list them: keys of every version, and tags and metadata of the
// newest.
func storesHolding(ctx context.Context, texts ...string) (found []string) {
	GinkgoHelper()
	looked := 0
	for _, store := range ends.Stores {
		objects, bucket := storeOf(store.Name)
		seen := map[string]bool{}
		for _, key := range versionsUnder(ctx, store.Name, "") {
			if says(key, texts) {
				found = append(found, "key "+key+" at "+store.Name)
			}
			if folder, _, _ := strings.Cut(key, "/"); seen[folder+path.Ext(key)] {
				continue // of each tenant one object of each kind shows what all have
			} else {
				seen[folder+path.Ext(key)] = true
			}
			head, err := objects.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &bucket, Key: &key})
			if err != nil {
				continue // expired meanwhile
			}
			looked++
			said := fmt.Sprint(head.Metadata, aws.ToString(head.ContentDisposition))
			if tags, err := objects.GetObjectTagging(ctx, &s3.GetObjectTaggingInput{Bucket: &bucket, Key: &key}); err == nil {
				for _, tag := range tags.TagSet {
					said += " " + aws.ToString(tag.Key) + "=" + aws.ToString(tag.Value)
				}
			}
			if says(said, texts) {
				found = append(found, "tags of "+key+" at "+store.Name)
			}
		}
	}
	Expect(looked).NotTo(BeZero(), "no store holds anything")
	return found
}

// everywhereHolding searches everything but the databases, where alone citizens' data may be.
func everywhereHolding(ctx context.Context, texts ...string) []string {
	GinkgoHelper()
	return slices.Concat(objectsHolding(ctx, texts...), logsHolding(ctx, texts...), metricsHolding(ctx, texts...), storesHolding(ctx, texts...))
}

// says tells whether something holds one of the texts, which are in lower case.
func says(something string, texts []string) bool {
	something = strings.ToLower(something)
	return slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(something, text) })
}

// Invariant 2, after everything: no spec's person is anywhere but in a database. Every person of every spec is called
// like this.
var _ = ReportAfterSuite("nothing is left of anybody", func(ctx SpecContext, report Report) {
	if installation == nil || report.PreRunStats.SpecsThatWillRun == 0 {
		return
	}
	Expect(everywhereHolding(ctx, "quittenbaum", "zoe.")).To(BeEmpty(), "something of a person is where it must not be")
})

// versionsUnder lists every version of every object under a prefix at a store, delete markers included.
func versionsUnder(ctx context.Context, store, prefix string) (keys []string) {
	GinkgoHelper()
	objects, bucket := storeOf(store)
	pages := s3.NewListObjectVersionsPaginator(objects, &s3.ListObjectVersionsInput{Bucket: &bucket, Prefix: &prefix})
	for pages.HasMorePages() {
		next, err := pages.NextPage(ctx)
		Expect(err).NotTo(HaveOccurred())
		for _, version := range next.Versions {
			keys = append(keys, aws.ToString(version.Key))
		}
		for _, marker := range next.DeleteMarkers {
			keys = append(keys, aws.ToString(marker.Key))
		}
	}
	return keys
}

// dumpsAt lists the backups of a tenant at a store that can be read, the newest first.
func dumpsAt(ctx context.Context, store, dataID string) (keys []string) {
	GinkgoHelper()
	objects, bucket := storeOf(store)
	pages := s3.NewListObjectsV2Paginator(objects, &s3.ListObjectsV2Input{Bucket: &bucket, Prefix: aws.String(dataID + "/")})
	for pages.HasMorePages() {
		next, err := pages.NextPage(ctx)
		Expect(err).NotTo(HaveOccurred())
		for _, object := range next.Contents {
			if strings.HasSuffix(aws.ToString(object.Key), ".dump.zst.age") {
				keys = append([]string{aws.ToString(object.Key)}, keys...)
			}
		}
	}
	return keys
}

func storeOf(name string) (*s3.Client, string) {
	GinkgoHelper()
	objects, err := installation.Cluster.S3(name)
	Expect(err).NotTo(HaveOccurred())
	for _, store := range ends.Stores {
		if store.Name == name {
			return objects, store.Bucket
		}
	}
	Fail("the cluster has no store " + name)
	return nil, ""
}
