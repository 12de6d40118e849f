// SPDX-License-Identifier: Apache-2.0

package samples

import (
	"fmt"
	"os"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/hack/cluster"
)

// Complete gives every region its endpoints in the local cluster, entry by entry and by name, and adds the admin
// Secrets they refer to. An entry the cluster does not have is an error that names it.
func (s *Set) Complete(e cluster.Endpoints, operatorNamespace string) error {
	ca, err := os.ReadFile(e.CAFile)
	if err != nil {
		return fmt.Errorf("reading the cluster's certificate authority: %w", err)
	}
	s.Secrets = nil
	for i := range s.Regions {
		region := &s.Regions[i]
		if err := s.completeDatabases(region, e, string(ca), operatorNamespace); err != nil {
			return fmt.Errorf("region %s: %w", region.Name, err)
		}
		if err := s.completeStores(region, e, string(ca), operatorNamespace); err != nil {
			return fmt.Errorf("region %s: %w", region.Name, err)
		}
		if err := completeEdges(region, e, string(ca)); err != nil {
			return fmt.Errorf("region %s: %w", region.Name, err)
		}
	}
	return nil
}

func (s *Set) completeDatabases(region *v1alpha1.DataRegion, e cluster.Endpoints, ca, namespace string) error {
	for i := range region.Spec.DatabaseServers {
		server := &region.Spec.DatabaseServers[i]
		endpoint, err := find(e.Postgres, server.Name, func(p cluster.PostgresEndpoint) string { return p.Name })
		if err != nil {
			return err
		}
		server.Host, server.Port, server.CABundle = endpoint.Host, int32(endpoint.Port), ca
		server.Databases, server.EndpointCIDRs = endpoint.Databases, address(endpoint.Address)
		server.AdminSecretRef.Name = "database-" + server.Name
		password, err := os.ReadFile(endpoint.OperatorPasswordFile)
		if err != nil {
			return fmt.Errorf("database server %s: %w", server.Name, err)
		}
		s.addSecret(namespace, server.AdminSecretRef.Name, map[string]string{
			"username": endpoint.OperatorUser, "password": strings.TrimSpace(string(password)),
		})
	}
	return nil
}

func (s *Set) completeStores(region *v1alpha1.DataRegion, e cluster.Endpoints, ca, namespace string) error {
	for i := range region.Spec.BackupStores {
		store := &region.Spec.BackupStores[i]
		endpoint, err := find(e.Stores, store.Name, func(s cluster.StoreEndpoint) string { return s.Name })
		if err != nil {
			return err
		}
		store.Endpoint, store.Bucket, store.SigningRegion = endpoint.Endpoint, endpoint.Bucket, endpoint.SigningRegion
		store.CABundle, store.EndpointCIDRs = ca, address(endpoint.Address)
		store.AdminSecretRef.Name = "store-" + strings.TrimPrefix(store.Name, "store-")
		id, err := os.ReadFile(endpoint.AccessKeyFile)
		if err != nil {
			return fmt.Errorf("backup store %s: %w", store.Name, err)
		}
		secret, err := os.ReadFile(endpoint.SecretKeyFile)
		if err != nil {
			return fmt.Errorf("backup store %s: %w", store.Name, err)
		}
		s.addSecret(namespace, store.AdminSecretRef.Name, map[string]string{
			"accessKeyID": strings.TrimSpace(string(id)), "secretAccessKey": strings.TrimSpace(string(secret)),
		})
	}
	return nil
}

// completeEdges fills in where mail leaves and citizens enter.
func completeEdges(region *v1alpha1.DataRegion, e cluster.Endpoints, ca string) error {
	if relay := region.Spec.MailRelay; relay != nil {
		relay.Host, relay.Port, relay.CABundle, relay.EndpointCIDRs = e.Mail.Host, int32(e.Mail.Port), ca, address(e.Mail.Address)
	}
	ingress := region.Spec.Ingress
	if ingress == nil {
		return nil
	}
	endpoint, found := e.Ingress(region.Name)
	if !found {
		return fmt.Errorf("the local cluster has no ingress of this region")
	}
	ingress.ClassName, ingress.Namespace, ingress.Port = endpoint.Class, endpoint.Namespace, int32(endpoint.HTTPSPort)
	ingress.PodSelector = metav1.LabelSelector{MatchLabels: endpoint.PodLabels}
	return nil
}

func (s *Set) addSecret(namespace, name string, data map[string]string) {
	secret := corev1.Secret{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Type:       corev1.SecretTypeOpaque, Data: map[string][]byte{},
	}
	for key, value := range data {
		secret.Data[key] = []byte(value)
	}
	s.Secrets = append(s.Secrets, secret)
}

func find[T any](list []T, name string, nameOf func(T) string) (T, error) {
	for _, item := range list {
		if nameOf(item) == name {
			return item, nil
		}
	}
	var none T
	return none, fmt.Errorf("the local cluster has no %s", name)
}

func address(ip string) []v1alpha1.CIDR { return []v1alpha1.CIDR{v1alpha1.CIDR(ip + "/32")} }
