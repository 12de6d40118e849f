// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"filippo.io/age"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/hack/demo/samples"
	"github.com/termintreu/termintreu/hack/internal/pki"
)

// operatorNamespace is the namespace of config/default.
const operatorNamespace = "termintreu-system"

// applySamples applies config/samples, completed by what only this machine knows: the regions' endpoints and
// credentials, a key pair per authority, whose secret half stays beside the cluster, and a certificate per host.
func (i *Installation) applySamples(ctx context.Context) error {
	set, err := samples.Load(filepath.Join(i.Root, "config", "samples"))
	if err != nil {
		return err
	}
	if err := set.Complete(i.Cluster.Endpoints(), operatorNamespace); err != nil {
		return err
	}
	var certificates []client.Object
	for n := range set.Tenants {
		tenant := &set.Tenants[n]
		recipient, err := i.recipient(tenant.Name)
		if err != nil {
			return err
		}
		tenant.Spec.Backup.Recipients = []v1alpha1.AgeRecipient{v1alpha1.AgeRecipient(recipient)}
		if tenant.Spec.Instance.TLSSecretName != "" {
			certificate, err := i.Certificate(tenant)
			if err != nil {
				return err
			}
			certificates = append(certificates, certificate)
		}
	}
	objects := set.Objects()
	// Certificates belong into the tenants' namespaces, which come first.
	objects = slices.Insert(objects, len(set.Namespaces), certificates...)
	// Kinds whose definitions were applied a moment ago take the API server a moment to serve.
	return eventually(ctx, func() error { return samples.Apply(ctx, i.Client, string(fieldOwner), objects...) })
}

// recipient is the public half of an authority's key pair; AgeKey names the file of the secret half.
func (i *Installation) recipient(tenant string) (string, error) {
	file := i.AgeKey(tenant)
	if text, err := os.ReadFile(file); err == nil {
		identities, err := age.ParseIdentities(bytes.NewReader(text))
		if err != nil {
			return "", fmt.Errorf("%s: %w", file, err)
		}
		if identity, ok := identities[0].(*age.X25519Identity); ok {
			return identity.Recipient().String(), nil
		}
	}
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return "", err
	}
	text := fmt.Sprintf("# created: %s\n# public key: %s\n%s\n", time.Now().UTC().Format(time.RFC3339), identity.Recipient(), identity)
	return identity.Recipient().String(), os.WriteFile(file, []byte(text), 0o600)
}

// AgeKey is the file of an authority's secret key, as age -d -i takes it. It never enters the cluster.
func (i *Installation) AgeKey(tenant string) string { return i.path("age", tenant+".key") }

// Certificate issues the tenant's hosts a certificate by the local authority.
func (i *Installation) Certificate(tenant *v1alpha1.BookingTenant) (*corev1.Secret, error) {
	authority, err := pki.Open(i.Options.Dir)
	if err != nil {
		return nil, err
	}
	certFile, keyFile := i.path("hosts", tenant.Name+".crt"), i.path("hosts", tenant.Name+".key")
	if err := os.MkdirAll(filepath.Dir(certFile), 0o700); err != nil {
		return nil, err
	}
	request := pki.Request{CommonName: string(tenant.Spec.Instance.Hosts[0])}
	for _, host := range tenant.Spec.Instance.Hosts {
		request.Names = append(request.Names, string(host))
	}
	if err := authority.Ensure(certFile, keyFile, request); err != nil {
		return nil, err
	}
	certificate, err := os.ReadFile(certFile)
	if err != nil {
		return nil, err
	}
	key, err := os.ReadFile(keyFile)
	if err != nil {
		return nil, err
	}
	return &corev1.Secret{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
		ObjectMeta: metav1.ObjectMeta{Namespace: tenant.Namespace, Name: tenant.Spec.Instance.TLSSecretName},
		Type:       corev1.SecretTypeTLS,
		Data:       map[string][]byte{corev1.TLSCertKey: certificate, corev1.TLSPrivateKeyKey: key},
	}, nil
}
