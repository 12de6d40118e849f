// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// Appearance is the look of a site, within what everybody can read.
type Appearance struct {
	// Name of the site at the top of each page, in every locale of the tenant. Defaults to the names of the
	// controllers.
	// +optional
	Name LocalizedText `json:"name,omitempty"`
	// Accent is the colour of links and buttons on light backgrounds. Its contrast must be 4.5:1 or better (WCAG 2.1
	// AA); the colour on dark backgrounds is derived from it. Defaults to #0b4f8a.
	// +optional
	Accent Colour `json:"accent,omitempty"`
	// Logo beside the name.
	// +optional
	Logo *Logo `json:"logo,omitempty"`
}

// Colour is a colour of sRGB.
//
// +kubebuilder:validation:MaxLength=7
// +kubebuilder:validation:XValidation:rule="self.matches('^#[0-9a-f]{6}$')",message="write a colour as # and six hexadecimal digits in lower case, such as #0b4f8a"
type Colour string

// Logo is a picture served from the site itself. The name stands beside it, so it needs no text of its own.
type Logo struct {
	// MediaType of the picture.
	MediaType LogoType `json:"mediaType"`
	// Data of the picture, at most 48 KiB; an SVG with neither scripts nor references, or a PNG.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=65536
	Data []byte `json:"data"`
}

// LogoType is a media type of pictures.
//
// +kubebuilder:validation:Enum=image/svg+xml;image/png
type LogoType string

// Media types of logos.
const (
	LogoSVG LogoType = "image/svg+xml"
	LogoPNG LogoType = "image/png"
)
