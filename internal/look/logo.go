// SPDX-License-Identifier: Apache-2.0

package look

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"image/png"
	"io"
	"slices"
	"strings"

	"github.com/termintreu/termintreu/api/v1alpha1"
)

const (
	maxLogo   = 48 << 10
	maxPixels = 2000
)

// active elements of SVG run, load or embed something.
var active = []string{"script", "foreignObject", "iframe", "image", "use", "feImage", "a", "set", "animate", "handler", "listener"}

// CheckLogo refuses a picture that is not what it says, or that does more than being looked at. The site's policy for
// browsers would stop it too; a logo that half works is still the authority's shame.
func CheckLogo(logo *v1alpha1.Logo) error {
	switch {
	case logo == nil:
		return nil
	case len(logo.Data) > maxLogo:
		return fmt.Errorf("the logo has %d KiB, more than %d: make it smaller, such as with svgo or optipng", len(logo.Data)>>10, maxLogo>>10)
	case logo.MediaType == v1alpha1.LogoPNG:
		return checkPNG(logo.Data)
	case logo.MediaType == v1alpha1.LogoSVG:
		return checkSVG(logo.Data)
	}
	return fmt.Errorf("the logo's mediaType %q is not served: give image/svg+xml or image/png", logo.MediaType)
}

func checkPNG(data []byte) error {
	header, err := png.DecodeConfig(bytes.NewReader(data))
	if err != nil {
		return errors.New("the logo is no PNG: encode the file itself with base64, or give its true mediaType")
	}
	if header.Width > maxPixels || header.Height > maxPixels {
		return fmt.Errorf("the logo has %d by %d pixels: scale it down to at most %d each way", header.Width, header.Height, maxPixels)
	}
	return nil
}

func checkSVG(data []byte) error {
	decoder, root := xml.NewDecoder(bytes.NewReader(data)), true
	for {
		token, err := decoder.Token()
		switch {
		case errors.Is(err, io.EOF) && !root:
			return nil
		case err != nil:
			return errors.New("the logo is no SVG: encode the file itself with base64, or give its true mediaType")
		}
		switch part := token.(type) {
		case xml.Directive:
			return errors.New("the logo declares a document type: remove <!DOCTYPE …>, which can name files elsewhere")
		case xml.StartElement:
			if root && part.Name.Local != "svg" {
				return errors.New("the logo is no SVG: its first element must be <svg>")
			}
			root = false
			if err := checkElement(part); err != nil {
				return err
			}
		}
	}
}

func checkElement(element xml.StartElement) error {
	if slices.ContainsFunc(active, func(name string) bool { return strings.EqualFold(name, element.Name.Local) }) {
		return fmt.Errorf("the logo holds <%s>: remove it, a logo is only looked at", element.Name.Local)
	}
	for _, attribute := range element.Attr {
		name, value := strings.ToLower(attribute.Name.Local), strings.ToLower(attribute.Value)
		reference := name == "href" || strings.Contains(value, "url(")
		if strings.HasPrefix(name, "on") || reference && !strings.HasPrefix(strings.TrimLeft(strings.TrimPrefix(value, "url("), `'"`), "#") {
			return fmt.Errorf("the logo's <%s> has the attribute %s, which runs or loads something: remove it", element.Name.Local, attribute.Name.Local)
		}
	}
	return nil
}
