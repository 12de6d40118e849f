// SPDX-License-Identifier: Apache-2.0

package operator

import (
	"fmt"
	"reflect"
	"sync"
	"unique"

	"github.com/klauspost/compress/s2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/termintreu/termintreu/internal/resources"
)

// dictionaryLimit is the most s2 takes, in bytes.
const dictionaryLimit = 64 << 10

// packer keeps objects in the cache as few bytes. A thousand tenants have fifteen thousand objects that differ in a few
// words; as Go values they are most of the operator's memory.
type packer struct {
	// classes by classKey, *class each.
	classes sync.Map
}

type classKey struct {
	kind      reflect.Type
	component string
}

// class is what the objects of a kind and component have in common: their type, and the first of them.
type class struct {
	kind       reflect.Type
	dictionary *s2.Dict
}

// packable is what every kind of Kubernetes' own is.
type packable interface {
	client.Object
	Marshal() ([]byte, error)
	Unmarshal([]byte) error
}

// packedObject is an object as the cache keeps it: what an informer asks for at every turn, and all of it as its protobuf
// form, compressed against the first object of its class. A copy of it is the whole object, and copies are what readers
// of a cache are given; so nobody may list its kinds with client.UnsafeDisableDeepCopy.
type packedObject struct {
	// Object is nil, so that its setters panic: nobody changes what a cache holds. All that can be asked is below.
	metav1.Object
	class                    *class
	namespace, name, version string
	generation               int64
	content                  string
}

var _ client.Object = &packedObject{}

// pack is a transform of the cache. It leaves alone what is packed already and what cannot be.
func (p *packer) pack(object any) (any, error) {
	o, ok := object.(packable)
	if !ok {
		return object, nil
	}
	o.SetManagedFields(nil)
	content, err := o.Marshal()
	if err != nil {
		return nil, fmt.Errorf("packing %T %s/%s: %w", o, o.GetNamespace(), o.GetName(), err)
	}
	class := p.classOf(o, content)
	return &packedObject{
		class: class, namespace: unique.Make(o.GetNamespace()).Value(), name: o.GetName(),
		version: o.GetResourceVersion(), generation: o.GetGeneration(),
		content: string(class.dictionary.Encode(nil, content)),
	}, nil
}

func (p *packer) classOf(o client.Object, first []byte) *class {
	key := classKey{reflect.TypeOf(o).Elem(), o.GetLabels()[resources.LabelComponent]}
	found, ok := p.classes.Load(key)
	if !ok {
		// The form of an empty object, even, is longer than the least s2 takes.
		made := &class{kind: key.kind, dictionary: s2.MakeDict(first[:min(len(first), dictionaryLimit)], nil)}
		found, _ = p.classes.LoadOrStore(key, made)
	}
	return found.(*class) //nolint:forcetypeassert // nothing else is stored
}

// whole unpacks. What cannot be unpacked was not packed here, and nothing else writes to the cache.
func (o *packedObject) whole() packable {
	whole := reflect.New(o.class.kind).Interface().(packable) //nolint:forcetypeassert // classes are made of packables alone
	content, err := o.class.dictionary.Decode(nil, []byte(o.content))
	if err == nil {
		err = whole.Unmarshal(content)
	}
	if err != nil {
		panic(fmt.Sprintf("unpacking %T %s/%s: %v", whole, o.namespace, o.name, err))
	}
	return whole
}

// DeepCopyObject gives the whole object.
func (o *packedObject) DeepCopyObject() runtime.Object { return o.whole() }

// GetObjectKind tells nothing: the cache says of what kind its objects are.
func (o *packedObject) GetObjectKind() schema.ObjectKind { return schema.EmptyObjectKind }

// What an informer asks for at every turn.

func (o *packedObject) GetNamespace() string       { return o.namespace }
func (o *packedObject) GetName() string            { return o.name }
func (o *packedObject) GetResourceVersion() string { return o.version }
func (o *packedObject) GetGeneration() int64       { return o.generation }

// What event handlers and selectors ask for now and then is unpacked each time.

func (o *packedObject) GetLabels() map[string]string      { return o.whole().GetLabels() }
func (o *packedObject) GetAnnotations() map[string]string { return o.whole().GetAnnotations() }
func (o *packedObject) GetUID() types.UID                 { return o.whole().GetUID() }
func (o *packedObject) GetGenerateName() string           { return o.whole().GetGenerateName() }
func (o *packedObject) GetFinalizers() []string           { return o.whole().GetFinalizers() }
func (o *packedObject) GetCreationTimestamp() metav1.Time { return o.whole().GetCreationTimestamp() }
func (o *packedObject) GetDeletionTimestamp() *metav1.Time {
	return o.whole().GetDeletionTimestamp()
}

func (o *packedObject) GetDeletionGracePeriodSeconds() *int64 {
	return o.whole().GetDeletionGracePeriodSeconds()
}

func (o *packedObject) GetOwnerReferences() []metav1.OwnerReference {
	return o.whole().GetOwnerReferences()
}

// GetSelfLink gives none: no API server has sent one for years.
func (o *packedObject) GetSelfLink() string { return "" }

// GetManagedFields gives none: who wrote which field is not kept.
func (o *packedObject) GetManagedFields() []metav1.ManagedFieldsEntry { return nil }
