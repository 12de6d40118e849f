// SPDX-License-Identifier: Apache-2.0

package resources

import (
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/intstr"
	appsac "k8s.io/client-go/applyconfigurations/apps/v1"
	coreac "k8s.io/client-go/applyconfigurations/core/v1"
	metaac "k8s.io/client-go/applyconfigurations/meta/v1"

	"github.com/termintreu/termintreu/internal/plan"
	"github.com/termintreu/termintreu/internal/serving"
	"github.com/termintreu/termintreu/internal/settings"
)

// Deployment of the booking site. Nothing of the catalogue is in its template, so that only a new image, new
// resources or a new place restarts pods.
func Deployment(p *plan.Plan) *appsac.DeploymentApplyConfiguration {
	spec := podSpec(p).
		WithServiceAccountName(InstanceName(p)).
		WithTerminationGracePeriodSeconds(30).
		WithTopologySpreadConstraints(spread(p, corev1.LabelHostname), spread(p, corev1.LabelTopologyZone)).
		WithContainers(instanceContainer(p)).
		WithVolumes(volumes(InstanceName(p), resource.MustParse("16Mi"))...).
		// Of the same Secret, so that a renewed certificate changes no template and restarts no pod.
		WithVolumes(secretVolume(volumeTLS, InstanceName(p), serving.CertificateKey, serving.PrivateKeyKey))
	if p.Instance.StaffSecretName != "" {
		spec.WithVolumes(staffVolume(p.Instance.StaffSecretName))
	}
	return appsac.Deployment(InstanceName(p), p.Tenant.Namespace).
		WithLabels(Labels(p, ComponentInstance)).WithOwnerReferences(owner(p)).
		WithSpec(appsac.DeploymentSpec().
			WithReplicas(p.Instance.Replicas).
			WithRevisionHistoryLimit(2).
			WithSelector(metaac.LabelSelector().WithMatchLabels(selector(p, ComponentInstance))).
			// A new pod must answer before an old one goes: a single replica is updated without a gap.
			WithStrategy(appsac.DeploymentStrategy().WithType(appsv1.RollingUpdateDeploymentStrategyType).
				WithRollingUpdate(appsac.RollingUpdateDeployment().
					WithMaxUnavailable(intstr.FromInt32(0)).WithMaxSurge(intstr.FromInt32(1)))).
			WithTemplate(coreac.PodTemplateSpec().WithLabels(Labels(p, ComponentInstance)).WithSpec(spec)))
}

func instanceContainer(p *plan.Plan) *coreac.ContainerApplyConfiguration {
	c := container(p, "booking", "serve").
		WithPorts(
			coreac.ContainerPort().WithName(portSite).WithContainerPort(PortHTTPS).WithProtocol(corev1.ProtocolTCP),
			coreac.ContainerPort().WithName("internal").WithContainerPort(PortInternal).WithProtocol(corev1.ProtocolTCP)).
		WithVolumeMounts(mount(volumeTLS, settings.TLSDir)).
		WithStartupProbe(probe("/readyz", 2, 30)).
		WithReadinessProbe(probe("/readyz", 10, 2)).
		WithLivenessProbe(probe("/healthz", 20, 3))
	if p.Instance.StaffSecretName != "" {
		c.WithVolumeMounts(mount(volumeStaff, settings.StaffDir))
	}
	if r := p.Instance.Resources; r != nil {
		given := coreac.ResourceRequirements()
		if len(r.Requests) > 0 {
			given.WithRequests(r.Requests)
		}
		if len(r.Limits) > 0 {
			given.WithLimits(r.Limits)
		}
		return c.WithResources(given)
	}
	return c.WithResources(requirements("10m", "32Mi", "96Mi"))
}

// staffVolume mounts the authority's own Secret, which the operator never reads. It is optional: citizens book whether
// the staff can sign in or not.
func staffVolume(secret string) *coreac.VolumeApplyConfiguration {
	return coreac.Volume().WithName(volumeStaff).WithSecret(coreac.SecretVolumeSource().
		WithSecretName(secret).WithDefaultMode(secretMode).WithOptional(true).WithItems(
		coreac.KeyToPath().WithKey(settings.ClientSecretKey).WithPath(settings.ClientSecretKey),
		coreac.KeyToPath().WithKey(settings.NextClientSecretKey).WithPath(settings.NextClientSecretKey)))
}

func probe(path string, period, failures int32) *coreac.ProbeApplyConfiguration {
	return coreac.Probe().
		WithHTTPGet(coreac.HTTPGetAction().WithPath(path).WithPort(intstr.FromString("internal"))).
		WithPeriodSeconds(period).WithTimeoutSeconds(3).WithFailureThreshold(failures)
}

// spread asks for replicas on different hosts and zones, but prefers a crowded site to none.
func spread(p *plan.Plan, topology string) *coreac.TopologySpreadConstraintApplyConfiguration {
	return coreac.TopologySpreadConstraint().WithMaxSkew(1).WithTopologyKey(topology).
		WithWhenUnsatisfiable(corev1.ScheduleAnyway).
		WithLabelSelector(metaac.LabelSelector().WithMatchLabels(selector(p, ComponentInstance)))
}
