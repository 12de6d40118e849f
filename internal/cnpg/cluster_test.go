// SPDX-License-Identifier: Apache-2.0

package cnpg_test

import (
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"

	"github.com/termintreu/termintreu/internal/cnpg"
)

const day = 24 * time.Hour

func object(tb testing.TB, text string) *unstructured.Unstructured {
	tb.Helper()
	o := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(text), &o.Object); err != nil {
		tb.Fatal(err)
	}
	return o
}

func cluster(tb testing.TB, spec string) *unstructured.Unstructured {
	tb.Helper()
	return object(tb, "metadata: {name: pg, namespace: db}\nspec: "+spec)
}

func schedules(tb testing.TB, specs ...string) (list []unstructured.Unstructured) {
	tb.Helper()
	for _, spec := range specs {
		list = append(list, *object(tb, "spec: "+spec))
	}
	return list
}

func TestAClusterIsFoundByItsConventionsOrItsStatus(t *testing.T) {
	if f := cnpg.Read(cluster(t, "{}"), nil); f.Host != "pg-rw.db.svc" || f.CASecret != "pg-ca" {
		t.Errorf("by convention it is %+v", f)
	}
	told := object(t, "metadata: {name: pg, namespace: db}\nstatus: {writeService: other-rw, certificates: {serverCASecret: own-ca}}")
	if f := cnpg.Read(told, nil); f.Host != "other-rw.db.svc" || f.CASecret != "own-ca" {
		t.Errorf("by its status it is %+v", f)
	}
}

// B2: what a Cluster keeps of the server is known, or kept for ever as far as anybody knows.
func TestTheCopiesOfAClusterLiveForTheirWindowAndTheTimeBetweenTwoBackups(t *testing.T) {
	const forever = 100 * 365 * day
	archive := "{backup: {barmanObjectStore: {destinationPath: 's3://wal'}, retentionPolicy: %}}"
	daily := "{schedule: '0 0 2 * * *', cluster: {name: pg}}"
	for name, c := range map[string]struct {
		spec      string
		schedules []string
		kind      string
		period    time.Duration
		saying    string
	}{
		"no backup":            {"{}", nil, "", 0, ""},
		"thirty days":          {strings.Replace(archive, "%", "30d", 1), []string{daily}, "WALArchive", 31 * day, "retentionPolicy"},
		"four weeks":           {strings.Replace(archive, "%", "4w", 1), []string{daily}, "WALArchive", 29 * day, "retentionPolicy"},
		"two months":           {strings.Replace(archive, "%", "2m", 1), []string{daily}, "WALArchive", 63 * day, "retentionPolicy"},
		"the busier schedule":  {strings.Replace(archive, "%", "30d", 1), []string{"{schedule: '0 0 2 * * 0', cluster: {name: pg}}", daily}, "WALArchive", 31 * day, "retentionPolicy"},
		"no window":            {"{backup: {barmanObjectStore: {}}}", []string{daily}, "WALArchive", forever, "no spec.backup.retentionPolicy"},
		"a window of nothing":  {strings.Replace(archive, "%", "0d", 1), []string{daily}, "WALArchive", forever, "retentionPolicy"},
		"backed up by hand":    {strings.Replace(archive, "%", "30d", 1), nil, "WALArchive", forever, "ScheduledBackup"},
		"suspended":            {strings.Replace(archive, "%", "30d", 1), []string{"{schedule: '@daily', suspend: true, cluster: {name: pg}}"}, "WALArchive", forever, "ScheduledBackup"},
		"another's schedule":   {strings.Replace(archive, "%", "30d", 1), []string{"{schedule: '@daily', cluster: {name: other}}"}, "WALArchive", forever, "ScheduledBackup"},
		"volume snapshots":     {"{backup: {volumeSnapshot: {className: fast}, retentionPolicy: 30d}}", []string{daily}, "VolumeSnapshot", forever, "nothing expires"},
		"a plugin that stores": {"{plugins: [{name: barman-cloud.cloudnative-pg.io, isWALArchiver: true}]}", []string{daily}, "WALArchive", forever, "otherCopies"},
		"a plugin that works":  {"{plugins: [{name: audit.example.org}]}", nil, "", 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			copies := cnpg.Read(cluster(t, c.spec), schedules(t, c.schedules...)).Copies
			if c.kind == "" {
				if len(copies) != 0 {
					t.Fatalf("it keeps %+v", copies)
				}
				return
			}
			if len(copies) != 1 || copies[0].Kind != c.kind || !strings.Contains(copies[0].Name, c.saying) {
				t.Fatalf("it keeps %+v", copies)
			}
			if kept, err := copies[0].Period.Duration(); err != nil || kept != c.period {
				t.Errorf("it is kept for %s (%v), want %s", copies[0].Period, err, c.period)
			}
		})
	}
}
