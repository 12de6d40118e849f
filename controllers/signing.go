// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/termintreu/termintreu/internal/certificate"
	"github.com/termintreu/termintreu/internal/resources"
)

// SigningKeyName names the Secret with the key DeletionCertificates are signed with, and the ConfigMap that publishes
// its public half and those of every key before it, in the operator's namespace.
const SigningKeyName = "termintreu-signing-key"

// signingKeyFile is the Secret's key. Whoever has a key of their own puts it there before the first certificate.
const signingKeyFile = "private.pem"

// signingKey reads the key, or draws one when there is none, and sees to it that its public half is published.
func (c *Certifier) signingKey(ctx context.Context) (ed25519.PrivateKey, string, error) {
	name := client.ObjectKey{Namespace: c.Namespace, Name: SigningKeyName}
	secret := &corev1.Secret{}
	err := c.Reader.Get(ctx, name, secret)
	if apierrors.IsNotFound(err) {
		secret, err = c.drawKey(ctx)
	}
	if err != nil {
		return nil, "", fmt.Errorf("reading Secret %s: %w", name, err)
	}
	key, err := certificate.ParsePrivate(secret.Data[signingKeyFile])
	if err != nil {
		return nil, "", fmt.Errorf("key %s of Secret %s: %w", signingKeyFile, name, err)
	}
	public, ok := key.Public().(ed25519.PublicKey)
	if !ok {
		return nil, "", fmt.Errorf("key %s of Secret %s has no public half", signingKeyFile, name)
	}
	keyID, err := certificate.KeyID(public)
	if err != nil {
		return nil, "", err
	}
	return key, keyID, c.publish(ctx, name, keyID, public)
}

func (c *Certifier) drawKey(ctx context.Context) (*corev1.Secret, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	raw, err := certificate.PrivatePEM(key)
	if err != nil {
		return nil, err
	}
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: c.Namespace, Name: SigningKeyName, Labels: map[string]string{resources.LabelManagedBy: resources.Manager}},
		Type:       corev1.SecretTypeOpaque, Data: map[string][]byte{signingKeyFile: raw},
	}
	return secret, c.Client.Create(ctx, secret)
}

// publish adds the public key under its ID; those of keys before stay, since their certificates do.
func (c *Certifier) publish(ctx context.Context, name client.ObjectKey, keyID string, public ed25519.PublicKey) error {
	raw, err := certificate.PublicPEM(public)
	if err != nil {
		return err
	}
	file := keyID + ".pem"
	published := &corev1.ConfigMap{}
	err = c.Reader.Get(ctx, name, published)
	if apierrors.IsNotFound(err) {
		published = &corev1.ConfigMap{
			ObjectMeta: metav1.ObjectMeta{Namespace: name.Namespace, Name: name.Name, Labels: map[string]string{resources.LabelManagedBy: resources.Manager}},
			Data:       map[string]string{file: string(raw)},
		}
		err = c.Client.Create(ctx, published)
	} else if err == nil && published.Data[file] != string(raw) {
		before := published.DeepCopy()
		if published.Data == nil {
			published.Data = map[string]string{}
		}
		published.Data[file] = string(raw)
		err = c.Client.Patch(ctx, published, client.MergeFrom(before))
	}
	if err != nil {
		return fmt.Errorf("publishing the public key in ConfigMap %s: %w", name, err)
	}
	return nil
}
