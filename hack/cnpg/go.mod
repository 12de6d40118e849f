module github.com/termintreu/termintreu/hack/cnpg

go 1.26.0

// The definitions of CloudNativePG's kinds, which tests install into an API
// server. Nothing of the module is imported: the operator reads its kinds
// unstructured.
require github.com/cloudnative-pg/cloudnative-pg v1.28.0
