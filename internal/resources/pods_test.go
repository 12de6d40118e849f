// SPDX-License-Identifier: Apache-2.0

package resources_test

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	podsecurity "k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/plan"
	"github.com/termintreu/termintreu/internal/resources"
)

// podTemplates of everything that makes pods for a tenant.
func podTemplates(t *testing.T) map[string]corev1.PodTemplateSpec {
	t.Helper()
	p := archivingPlan()
	templates := map[string]corev1.PodTemplateSpec{}
	deployment := struct {
		Spec struct{ Template corev1.PodTemplateSpec }
	}{}
	convert(t, resources.Deployment(p), &deployment)
	templates["instance"] = deployment.Spec.Template
	for name, config := range map[string]any{
		"purge": resources.RetentionCronJob(p), "hand-over": resources.ArchiveCronJob(p), "backup": resources.BackupCronJob(p), "expiry": resources.ExpiryCronJob(p),
	} {
		var cron batchv1.CronJob
		convert(t, config, &cron)
		templates[name] = cron.Spec.JobTemplate.Spec.Template
	}
	var job batchv1.Job
	convert(t, resources.InitialBackupJob(p), &job)
	templates["first backup"] = job.Spec.Template
	var leaving batchv1.Job
	convert(t, resources.ExportJob(p), &leaving)
	templates["export"] = leaving.Spec.Template
	for name, identity := range map[string]string{"restore with an identity": "AGE-SECRET-KEY-1", "restore with a challenge": ""} {
		var restore batchv1.Job
		convert(t, resources.RestoreJob(p, resources.RestoreInput{Restore: &v1alpha1.TenantRestore{}, Identity: []byte(identity)}), &restore)
		templates[name] = restore.Spec.Template
	}
	for name, identity := range map[string]string{"import with an identity": "AGE-SECRET-KEY-1", "import with a challenge": ""} {
		var intake batchv1.Job
		convert(t, resources.ImportJob(p, resources.ImportInput{Import: plan.Import{Store: p.Backup.Stores[0]}, Identity: []byte(identity)}), &intake)
		templates[name] = intake.Spec.Template
	}
	return templates
}

func convert(t *testing.T, from, to any) {
	t.Helper()
	raw, err := json.Marshal(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, to); err != nil {
		t.Fatal(err)
	}
}

func base64Of(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }

func TestEveryPodSatisfiesPodSecurityRestricted(t *testing.T) {
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	restricted := podsecurity.LevelVersion{Level: podsecurity.LevelRestricted, Version: podsecurity.LatestVersion()}
	for name, template := range podTemplates(t) {
		result := policy.AggregateCheckResults(evaluator.EvaluatePod(restricted, &template.ObjectMeta, &template.Spec))
		if !result.Allowed {
			t.Errorf("%s: %s", name, result.ForbiddenDetail())
		}
	}
}

// Invariant 1: required, not preferred, and in every term, since terms are alternatives.
func TestEveryPodRequiresANodeOfItsRegion(t *testing.T) {
	for name, template := range podTemplates(t) {
		required := template.Spec.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution
		if len(required.NodeSelectorTerms) == 0 {
			t.Errorf("%s may run anywhere", name)
		}
		for _, term := range required.NodeSelectorTerms {
			if !slices.ContainsFunc(term.MatchExpressions, func(e corev1.NodeSelectorRequirement) bool {
				return e.Key == "topology.kubernetes.io/region" && e.Operator == corev1.NodeSelectorOpIn && slices.Equal(e.Values, []string{"ch"})
			}) {
				t.Errorf("%s may run outside its region: %v", name, term)
			}
		}
	}
}

func TestNoPodCanReachTheAPIServerOrWriteToDisk(t *testing.T) {
	for name, template := range podTemplates(t) {
		if token := template.Spec.AutomountServiceAccountToken; token == nil || *token {
			t.Errorf("%s carries a token of the API server", name)
		}
		if c := template.Spec.Containers[0]; !*c.SecurityContext.ReadOnlyRootFilesystem || c.Resources.Limits.Memory().IsZero() {
			t.Errorf("%s may write to its root file system or take all memory", name)
		}
		for _, v := range template.Spec.Volumes {
			if e := v.EmptyDir; e != nil && (e.Medium != corev1.StorageMediumMemory || e.SizeLimit.IsZero()) {
				t.Errorf("%s: volume %s lies on a disk, or has no bound", name, v.Name)
			}
		}
	}
}

func TestAJobEndsInTimeAndNeverRunsBesideItself(t *testing.T) {
	p := servedPlan()
	for name, config := range map[string]any{"purge": resources.RetentionCronJob(p), "backup": resources.BackupCronJob(p), "expiry": resources.ExpiryCronJob(p)} {
		var cron batchv1.CronJob
		convert(t, config, &cron)
		job := cron.Spec.JobTemplate.Spec
		if cron.Spec.ConcurrencyPolicy != batchv1.ForbidConcurrent || job.ActiveDeadlineSeconds == nil || job.BackoffLimit == nil ||
			job.TTLSecondsAfterFinished == nil || cron.Spec.StartingDeadlineSeconds == nil {
			t.Errorf("%s is not bounded", name)
		}
		if *cron.Spec.TimeZone != "Europe/Zurich" {
			t.Errorf("%s runs by %s", name, *cron.Spec.TimeZone)
		}
	}
}
