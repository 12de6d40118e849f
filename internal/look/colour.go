// SPDX-License-Identifier: Apache-2.0

// Package look turns an authority's colour and logo into something everybody can read, or says why it cannot (EN 301
// 549, WCAG 2.1 AA). It is pure: the operator refuses by it what the site would otherwise show.
package look

import (
	"fmt"
	"math"
	"strconv"

	"github.com/termintreu/termintreu/api/v1alpha1"
)

// DefaultAccent is the accent of a site that chooses none.
const DefaultAccent v1alpha1.Colour = "#0b4f8a"

const (
	// readable is the contrast WCAG 2.1 AA asks of text (1.4.3).
	readable = 4.5
	// calm is what the colour derived for dark pages reaches: there is no second wish to respect.
	calm = 7
)

// Backgrounds of the style sheet that text in the accent stands on.
var (
	paper, wash         = mustParse("#ffffff"), mustParse("#f3f5f7")
	darkPaper, darkWash = mustParse("#14181c"), mustParse("#1d2329")
	black, white        = rgb{}, rgb{1, 1, 1}
)

// rgb holds sRGB components between 0 and 1.
type rgb [3]float64

// Palette is the colours of a site that follow from its accent.
type Palette struct {
	Accent, OnAccent, Wash             v1alpha1.Colour
	DarkAccent, DarkOnAccent, DarkWash v1alpha1.Colour
}

// NewPalette derives a palette; the error says what is wrong with the accent and which shade of it would do.
func NewPalette(accent v1alpha1.Colour) (Palette, error) {
	if accent == "" {
		accent = DefaultAccent
	}
	wished, err := parse(accent)
	if err != nil {
		return Palette{}, err
	}
	if reached := lightContrast(wished); reached < readable {
		return Palette{}, fmt.Errorf("accent %s has a contrast of %.1f:1 to its backgrounds and would be hard to read: choose one of at least %.1f:1, such as the darker shade %s",
			accent, reached, readable, towards(wished, black, lightContrast, readable).hex())
	}
	dark := towards(wished, white, darkContrast, calm)
	return Palette{
		Accent: accent, OnAccent: paper.hex(), Wash: tint(wished, paper, lightTint).hex(),
		DarkAccent: dark.hex(), DarkOnAccent: darkPaper.hex(), DarkWash: tint(dark, darkPaper, darkTint).hex(),
	}, nil
}

// Shares of the accent in the backgrounds of what is chosen or pointed at.
const lightTint, darkTint = 0.09, 0.16

// lightContrast is the worst the accent meets on a light page; white text on it is as readable as it is on white.
func lightContrast(accent rgb) float64 {
	return min(contrast(accent, paper), contrast(accent, wash), contrast(accent, tint(accent, paper, lightTint)))
}

func darkContrast(accent rgb) float64 {
	return min(contrast(accent, darkPaper), contrast(accent, darkWash), contrast(accent, tint(accent, darkPaper, darkTint)))
}

// towards mixes in as little of another colour as reaches a contrast.
func towards(from, to rgb, reached func(rgb) float64, enough float64) rgb {
	for percent := range 101 {
		// What is written has eight bits, so that is what has to be readable.
		if mixed := mustParse(tint(to, from, float64(percent)/100).hex()); reached(mixed) >= enough {
			return mixed
		}
	}
	return to
}

// tint mixes a share of a colour into another.
func tint(colour, into rgb, share float64) rgb {
	var mixed rgb
	for n := range mixed {
		mixed[n] = colour[n]*share + into[n]*(1-share)
	}
	return mixed
}

// contrast of two colours as WCAG 2.1 defines it, from 1 to 21.
func contrast(a, b rgb) float64 {
	light, dark := luminance(a), luminance(b)
	if light < dark {
		light, dark = dark, light
	}
	return (light + 0.05) / (dark + 0.05)
}

func luminance(colour rgb) float64 {
	weights, sum := rgb{0.2126, 0.7152, 0.0722}, 0.0
	for n, component := range colour {
		linear := component / 12.92
		if component > 0.04045 {
			linear = math.Pow((component+0.055)/1.055, 2.4)
		}
		sum += weights[n] * linear
	}
	return sum
}

func parse(colour v1alpha1.Colour) (rgb, error) {
	malformed := fmt.Errorf("accent %q is no colour: write # and six hexadecimal digits, such as %s", colour, DefaultAccent)
	if len(colour) != 7 || colour[0] != '#' {
		return rgb{}, malformed
	}
	value, err := strconv.ParseUint(string(colour[1:]), 16, 32)
	if err != nil {
		return rgb{}, malformed
	}
	return rgb{float64(value>>16&0xff) / 255, float64(value>>8&0xff) / 255, float64(value&0xff) / 255}, nil
}

func mustParse(colour v1alpha1.Colour) rgb {
	parsed, err := parse(colour)
	if err != nil {
		panic(err)
	}
	return parsed
}

func (c rgb) hex() v1alpha1.Colour {
	eight := func(component float64) int { return int(math.Round(component * 255)) }
	return v1alpha1.Colour(fmt.Sprintf("#%02x%02x%02x", eight(c[0]), eight(c[1]), eight(c[2])))
}
