// SPDX-License-Identifier: Apache-2.0

package resources

import (
	admissionv1 "k8s.io/api/admissionregistration/v1"
	admissionac "k8s.io/client-go/applyconfigurations/admissionregistration/v1"
	coreac "k8s.io/client-go/applyconfigurations/core/v1"
	metaac "k8s.io/client-go/applyconfigurations/meta/v1"
)

// The admission policies of config/admission that are bound once per region.
const (
	PolicyPodBindings = "termintreu-pod-bindings"
	PolicyPods        = "termintreu-pods"
	PolicyNodes       = "termintreu-nodes"
)

var gvkPolicyBinding = admissionv1.SchemeGroupVersion.WithKind("ValidatingAdmissionPolicyBinding")

// AdmissionBindings put the region's wall up: in every namespace that carries the region's label, and around the label
// of its nodes. They outlive the DataRegion, since a wall must not fall with the object that asked for it: without its
// parameter the policy refuses every binding.
func AdmissionBindings(region string) []Object {
	objects := make([]Object, 0, 3)
	for _, policy := range []string{PolicyPodBindings, PolicyPods, PolicyNodes} {
		objects = append(objects, object(gvkPolicyBinding, "", policy+"-"+region, admissionBinding(policy, region)))
	}
	return objects
}

func admissionBinding(policy, region string) *admissionac.ValidatingAdmissionPolicyBindingApplyConfiguration {
	spec := admissionac.ValidatingAdmissionPolicyBindingSpec().
		WithPolicyName(policy).
		WithValidationActions(admissionv1.Deny)
	// What a pod may say of itself is the same everywhere; where it may go, the DataRegion says, and without it nowhere.
	if policy != PolicyPods {
		spec.WithParamRef(admissionac.ParamRef().WithName(region).WithParameterNotFoundAction(admissionv1.DenyAction))
	}
	// Nodes lie in no namespace; a selector would say nothing of them.
	if policy != PolicyNodes {
		spec.WithMatchResources(admissionac.MatchResources().
			WithNamespaceSelector(metaac.LabelSelector().WithMatchLabels(map[string]string{LabelRegion: region})))
	}
	return admissionac.ValidatingAdmissionPolicyBinding(policy + "-" + region).
		WithLabels(map[string]string{LabelManagedBy: Manager, LabelRegion: region}).
		WithSpec(spec)
}

// NamespaceBinding is the label that puts a namespace behind its region's wall; the operator owns nothing else of it.
func NamespaceBinding(namespace, region string) *coreac.NamespaceApplyConfiguration {
	return coreac.Namespace(namespace).WithLabels(map[string]string{LabelRegion: region})
}
