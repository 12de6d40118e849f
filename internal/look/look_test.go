// SPDX-License-Identifier: Apache-2.0

package look

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
	"math"
	"regexp"
	"strings"
	"testing"

	"github.com/termintreu/termintreu/api/v1alpha1"
)

// The figures are those of WCAG's own worked examples and of its definition's two ends.
func TestContrastIsWhatWCAGSays(t *testing.T) {
	for _, c := range []struct {
		a, b v1alpha1.Colour
		want float64
	}{{"#000000", "#ffffff", 21}, {"#ffffff", "#ffffff", 1}, {"#777777", "#ffffff", 4.48}, {"#767676", "#ffffff", 4.54}, {"#ff0000", "#ffffff", 4.0}} {
		if got := contrast(mustParse(c.a), mustParse(c.b)); math.Abs(got-c.want) > 0.005 {
			t.Errorf("%s on %s: %.3f, want %.2f", c.a, c.b, got, c.want)
		}
	}
}

func TestAnAccentThatIsHardToReadIsRefusedWithAShadeThatIsNot(t *testing.T) {
	for _, accent := range []v1alpha1.Colour{"#ffee00", "#ff6600", "#9cc3e6", "#ffffff", "#777777"} {
		_, err := NewPalette(accent)
		if err == nil {
			t.Errorf("%s is accepted", accent)
			continue
		}
		shade := regexp.MustCompile(`shade (#[0-9a-f]{6})`).FindStringSubmatch(err.Error())
		if shade == nil {
			t.Fatalf("no mend in %q", err)
		}
		if _, err := NewPalette(v1alpha1.Colour(shade[1])); err != nil {
			t.Errorf("the shade proposed for %s is refused: %v", accent, err)
		}
	}
	if _, err := NewPalette("red"); err == nil || !strings.Contains(err.Error(), "#0b4f8a") {
		t.Errorf("a colour's name gives %v", err)
	}
}

// Every accent of the cube that is accepted is readable on every background, in light and in dark.
func TestEveryAcceptedAccentIsReadableInLightAndDark(t *testing.T) {
	accepted := 0
	for n := range 16 * 16 * 16 {
		accent := v1alpha1.Colour(fmt.Sprintf("#%02x%02x%02x", n>>8*17, n>>4%16*17, n%16*17))
		palette, err := NewPalette(accent)
		if err != nil {
			continue
		}
		accepted++
		for _, pair := range [][2]v1alpha1.Colour{
			{palette.Accent, "#ffffff"}, {palette.Accent, "#f3f5f7"}, {palette.Accent, palette.Wash}, {palette.OnAccent, palette.Accent},
			{palette.DarkAccent, "#14181c"}, {palette.DarkAccent, "#1d2329"}, {palette.DarkAccent, palette.DarkWash}, {palette.DarkOnAccent, palette.DarkAccent},
			{"#1b1f24", palette.Wash}, {"#eceff2", palette.DarkWash},
		} {
			if reached := contrast(mustParse(pair[0]), mustParse(pair[1])); reached < 4.45 {
				t.Fatalf("accent %s: %s on %s reaches %.2f", accent, pair[0], pair[1], reached)
			}
		}
	}
	if accepted < 500 {
		t.Errorf("only %d accents of 4096 are accepted", accepted)
	}
}

func TestALogoThatIsNotOnlyAPictureIsRefused(t *testing.T) {
	var small bytes.Buffer
	if err := png.Encode(&small, image.NewGray(image.Rect(0, 0, 8, 8))); err != nil {
		t.Fatal(err)
	}
	svg := func(inside string) *v1alpha1.Logo {
		return &v1alpha1.Logo{MediaType: v1alpha1.LogoSVG, Data: []byte(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8">` + inside + `</svg>`)}
	}
	for name, test := range map[string]struct {
		logo *v1alpha1.Logo
		says string
	}{
		"none":                  {nil, ""},
		"a PNG":                 {&v1alpha1.Logo{MediaType: v1alpha1.LogoPNG, Data: small.Bytes()}, ""},
		"an SVG":                {svg(`<path fill="url(#g)" d="M0 0h8v8z"/>`), ""},
		"an SVG called PNG":     {&v1alpha1.Logo{MediaType: v1alpha1.LogoPNG, Data: svg("").Data}, "no PNG"},
		"a PNG called SVG":      {&v1alpha1.Logo{MediaType: v1alpha1.LogoSVG, Data: small.Bytes()}, "no SVG"},
		"a page":                {&v1alpha1.Logo{MediaType: v1alpha1.LogoSVG, Data: []byte("<html></html>")}, "<svg>"},
		"nothing":               {&v1alpha1.Logo{MediaType: v1alpha1.LogoSVG}, "no SVG"},
		"a script":              {svg(`<script>fetch('/')</script>`), "<script>"},
		"a handler":             {svg(`<path onload="x()"/>`), "onload"},
		"a picture elsewhere":   {svg(`<image href="https://elsewhere.example/a.png"/>`), "<image>"},
		"a pattern elsewhere":   {svg(`<path fill="url(https://elsewhere.example/#a)"/>`), "fill"},
		"an entity":             {&v1alpha1.Logo{MediaType: v1alpha1.LogoSVG, Data: []byte(`<!DOCTYPE svg [<!ENTITY a "b">]><svg/>`)}, "DOCTYPE"},
		"a poster, not a logo":  {&v1alpha1.Logo{MediaType: v1alpha1.LogoPNG, Data: make([]byte, maxLogo+1)}, "KiB"},
		"a kind nobody can see": {&v1alpha1.Logo{MediaType: "image/x-photoshop", Data: []byte{1}}, "mediaType"},
	} {
		err := CheckLogo(test.logo)
		if (err == nil) != (test.says == "") || err != nil && !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %v, want %q", name, err, test.says)
		}
	}
}
