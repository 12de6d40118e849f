// SPDX-License-Identifier: Apache-2.0

package resources

import (
	"path"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	coreac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/termintreu/termintreu/internal/plan"
	"github.com/termintreu/termintreu/internal/settings"
)

// Executable is where the image holds the program of tenants' pods: the commands of `termintreu` they need, without the
// operator's libraries, which would be most of an idle instance's memory.
const Executable = "/termintreu-operand"

// user is the numeric user and group of every pod: nobody of any image, so that a file system escape owns nothing.
const user = 65532

const (
	volumeSettings = "settings"
	volumeDatabase = "database"
	volumeStores   = "stores"
	volumeScratch  = "scratch"
	volumeStaff    = "staff"
	volumeTLS      = "tls"
)

// secretMode lets the pod's group, and nobody else, read a Secret's files.
const secretMode = 0o440

// podSpec is what instance and jobs have in common: where they may run (invariant 1) and Pod Security `restricted`.
func podSpec(p *plan.Plan) *coreac.PodSpecApplyConfiguration {
	return coreac.PodSpec().
		WithAffinity(coreac.Affinity().WithNodeAffinity(nodeAffinity(p))).
		WithAutomountServiceAccountToken(false).
		WithEnableServiceLinks(false).
		WithSecurityContext(coreac.PodSecurityContext().
			WithRunAsNonRoot(true).WithRunAsUser(user).WithRunAsGroup(user).WithFSGroup(user).
			WithSeccompProfile(coreac.SeccompProfile().WithType(corev1.SeccompProfileTypeRuntimeDefault)))
}

// nodeAffinity requires a node of the region. A preference would let a full region spill over its border.
func nodeAffinity(p *plan.Plan) *coreac.NodeAffinityApplyConfiguration {
	return coreac.NodeAffinity().WithRequiredDuringSchedulingIgnoredDuringExecution(
		coreac.NodeSelector().WithNodeSelectorTerms(coreac.NodeSelectorTerm().WithMatchExpressions(
			coreac.NodeSelectorRequirement().WithKey(p.Region.NodeLabel).
				WithOperator(corev1.NodeSelectorOpIn).WithValues(p.Region.NodeValues...))))
}

// container runs one command of the image that uses the tenant's database.
func container(p *plan.Plan, name, command string) *coreac.ContainerApplyConfiguration {
	return bareContainer(p, name, command).WithVolumeMounts(
		mount(volumeSettings, path.Dir(settings.File)), mount(volumeDatabase, settings.DatabaseDir), scratchMount())
}

// bareContainer runs one command of the image, with nothing mounted.
func bareContainer(p *plan.Plan, name, command string) *coreac.ContainerApplyConfiguration {
	c := coreac.Container().WithName(name).WithImage(p.Image).
		WithCommand(Executable, command).
		WithTerminationMessagePolicy(corev1.TerminationMessageFallbackToLogsOnError).
		WithSecurityContext(coreac.SecurityContext().
			WithAllowPrivilegeEscalation(false).
			WithReadOnlyRootFilesystem(true).
			WithCapabilities(coreac.Capabilities().WithDrop("ALL")))
	if p.ImagePullPolicy != "" {
		c.WithImagePullPolicy(p.ImagePullPolicy)
	}
	return c
}

func mount(volume, at string) *coreac.VolumeMountApplyConfiguration {
	return coreac.VolumeMount().WithName(volume).WithMountPath(at).WithReadOnly(true)
}

func scratchMount() *coreac.VolumeMountApplyConfiguration {
	return coreac.VolumeMount().WithName(volumeScratch).WithMountPath(settings.ScratchDir)
}

// volumes of every pod that uses the database.
func volumes(name string, scratch resource.Quantity) []*coreac.VolumeApplyConfiguration {
	return []*coreac.VolumeApplyConfiguration{
		settingsVolume(name), secretVolume(volumeDatabase, name, settings.UsernameKey, settings.PasswordKey), scratchVolume(scratch),
	}
}

func settingsVolume(configMap string) *coreac.VolumeApplyConfiguration {
	return coreac.Volume().WithName(volumeSettings).WithConfigMap(coreac.ConfigMapVolumeSource().WithName(configMap))
}

// scratchVolume lies in memory: what a request spills there is gone with the pod, not left on a disk.
func scratchVolume(size resource.Quantity) *coreac.VolumeApplyConfiguration {
	return coreac.Volume().WithName(volumeScratch).WithEmptyDir(coreac.EmptyDirVolumeSource().
		WithMedium(corev1.StorageMediumMemory).WithSizeLimit(size))
}

// secretVolume mounts the named keys; a pod waits until the Secret has all of them.
func secretVolume(volume, secret string, keys ...string) *coreac.VolumeApplyConfiguration {
	source := coreac.SecretVolumeSource().WithSecretName(secret).WithDefaultMode(secretMode)
	for _, key := range keys {
		source.WithItems(coreac.KeyToPath().WithKey(key).WithPath(key))
	}
	return coreac.Volume().WithName(volume).WithSecret(source)
}

func requirements(cpuRequest, memoryRequest, memoryLimit string) *coreac.ResourceRequirementsApplyConfiguration {
	return coreac.ResourceRequirements().
		WithRequests(corev1.ResourceList{
			corev1.ResourceCPU:    resource.MustParse(cpuRequest),
			corev1.ResourceMemory: resource.MustParse(memoryRequest),
		}).
		WithLimits(corev1.ResourceList{corev1.ResourceMemory: resource.MustParse(memoryLimit)})
}
