// SPDX-License-Identifier: Apache-2.0

package operator

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"

	"github.com/klauspost/compress/s2"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/termintreu/termintreu/internal/resources"
)

// annotationPacked holds a packed object's content, in this process's cache only.
const annotationPacked = "packed"

// dictionaryLimit is the most s2 takes, in bytes.
const dictionaryLimit = 64 << 10

// packer keeps objects in the cache as few bytes. A thousand tenants have fifteen thousand objects that differ in a few
// words; as Go values they are most of the operator's memory. So the cache holds what event handlers and selectors ask
// for (name, labels, whose it is), and all else as the object's protobuf form, compressed against the first object of
// its kind and component. A client of the packer's gives whole objects.
type packer struct {
	// dictionaries by dictionaryKey, *s2.Dict each.
	dictionaries sync.Map
}

type dictionaryKey struct {
	kind      reflect.Type
	component string
}

// packable is what every kind of Kubernetes' own is.
type packable interface {
	client.Object
	Marshal() ([]byte, error)
	Unmarshal([]byte) error
}

func (p *packer) dictionary(o client.Object, first []byte) *s2.Dict {
	key := dictionaryKey{reflect.TypeOf(o), o.GetLabels()[resources.LabelComponent]}
	if found, ok := p.dictionaries.Load(key); ok || first == nil {
		dictionary, _ := found.(*s2.Dict)
		return dictionary
	}
	made := s2.MakeDict(first[:min(len(first), dictionaryLimit)], nil)
	found, _ := p.dictionaries.LoadOrStore(key, made)
	return found.(*s2.Dict) //nolint:forcetypeassert // nothing else is stored
}

// pack is a transform of the cache. It leaves alone what is packed already and what cannot be.
func (p *packer) pack(object any) (any, error) {
	o, ok := object.(packable)
	if !ok || o.GetAnnotations()[annotationPacked] != "" {
		return object, nil
	}
	o.SetManagedFields(nil)
	content, err := o.Marshal()
	if err != nil {
		return nil, fmt.Errorf("packing %T %s/%s: %w", o, o.GetNamespace(), o.GetName(), err)
	}
	dictionary := p.dictionary(o, content)
	if dictionary == nil { // too short to make one of
		return object, nil
	}
	slim, ok := reflect.New(reflect.TypeOf(o).Elem()).Interface().(client.Object)
	if !ok {
		return object, nil
	}
	slim.SetNamespace(o.GetNamespace())
	slim.SetName(o.GetName())
	slim.SetUID(o.GetUID())
	slim.SetResourceVersion(o.GetResourceVersion())
	slim.SetGeneration(o.GetGeneration())
	slim.SetDeletionTimestamp(o.GetDeletionTimestamp())
	slim.SetLabels(o.GetLabels())
	annotations := map[string]string{annotationPacked: string(dictionary.Encode(nil, content))}
	for _, name := range []string{resources.AnnotationTenantName, resources.AnnotationTenantNamespace} {
		if value, found := o.GetAnnotations()[name]; found {
			annotations[name] = value
		}
	}
	slim.SetAnnotations(annotations)
	return slim, nil
}

// unpack makes an object that was read from the cache whole, in place.
func (p *packer) unpack(o client.Object) error {
	packed, found := o.GetAnnotations()[annotationPacked]
	whole, ok := o.(packable)
	if !found || !ok {
		return nil
	}
	failed := func(err error) error {
		return fmt.Errorf("unpacking %T %s/%s: %w", o, o.GetNamespace(), o.GetName(), err)
	}
	dictionary := p.dictionary(o, nil)
	if dictionary == nil {
		return failed(errors.New("no dictionary was made for its kind and component"))
	}
	content, err := dictionary.Decode(nil, []byte(packed))
	if err != nil {
		return failed(err)
	}
	kind := o.GetObjectKind().GroupVersionKind()
	reflect.ValueOf(o).Elem().SetZero()
	if err := whole.Unmarshal(content); err != nil {
		return failed(err)
	}
	o.GetObjectKind().SetGroupVersionKind(kind)
	return nil
}

// newClient makes a client whose reads give whole objects; it is a client.NewClientFunc.
func (p *packer) newClient(config *rest.Config, options client.Options) (client.Client, error) {
	made, err := client.New(config, options)
	return &unpacking{made, p}, err
}

type unpacking struct {
	client.Client
	packer *packer
}

func (u *unpacking) Get(ctx context.Context, key client.ObjectKey, o client.Object, options ...client.GetOption) error {
	if err := u.Client.Get(ctx, key, o, options...); err != nil {
		return err
	}
	return u.packer.unpack(o)
}

func (u *unpacking) List(ctx context.Context, list client.ObjectList, options ...client.ListOption) error {
	if err := u.Client.List(ctx, list, options...); err != nil {
		return err
	}
	return meta.EachListItem(list, func(item runtime.Object) error {
		o, ok := item.(client.Object)
		if !ok {
			return nil
		}
		return u.packer.unpack(o)
	})
}
