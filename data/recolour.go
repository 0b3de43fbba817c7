package data

import (
	"math"
	"math/rand/v2"
)

// recolour changes the values of the image in 0..1. Products are rounded before
// sums on every machine: no fused multiply-add.
func (v variation) recolour(s Sample) {
	image := s.Image
	if v.brightness != 1 {
		for i, x := range image {
			image[i] = clip(x * v.brightness)
		}
	}
	if v.contrast != 1 {
		var sum float64
		for _, x := range image {
			sum += float64(x)
		}
		mean := float32(sum / float64(len(image)))
		for i, x := range image {
			image[i] = clip(mean + float32((x-mean)*v.contrast))
		}
	}
	if v.gamma != 1 {
		raise(image, v.gamma)
	}
	if v.saturation != 1 {
		for p := 0; p < len(image); p += 3 {
			saturate(image[p:][:3], v.saturation)
		}
	}
	if v.hue != 0 {
		for p := 0; p < len(image); p += 3 {
			turnHue(image[p:][:3], v.hue)
		}
	}
	if v.blur > 0 {
		blur(image, s.H, s.W, v.blur)
	}
	if v.noise > 0 {
		r := rand.New(rand.NewPCG(v.noiseSeed, 0))
		for i, x := range image {
			image[i] = clip(x + float32(v.noise*r.NormFloat64()))
		}
	}
}

func clip(x float32) float32 { return min(max(x, 0), 1) }

// raise raises values in 0..1 to a power, by straight lines between points of the
// curve: for x >= 1/255 and exponents from 0.1 on the error is less than 0.001.
func raise(image []float32, exponent float64) {
	const steps = 1024
	var curve [steps + 2]float32
	for i := range steps + 1 {
		curve[i] = float32(math.Pow(float64(i)/steps, exponent))
	}
	for i, x := range image {
		t := x * steps
		k := int(t)
		image[i] = curve[k] + float32((t-float32(k))*(curve[k+1]-curve[k]))
	}
}

// saturate moves the colours of a pixel away from its luma by a factor.
func saturate(pixel []float32, factor float32) {
	luma := float32(0.299*pixel[0]) + float32(0.587*pixel[1]) + float32(0.114*pixel[2])
	for i, x := range pixel {
		pixel[i] = clip(luma + float32((x-luma)*factor))
	}
}

// turnHue moves the hue of a pixel by a share of the colour circle; its largest
// and smallest value stay.
func turnHue(pixel []float32, share float32) {
	r, g, b := pixel[0], pixel[1], pixel[2]
	value := max(r, g, b)
	chroma := value - min(r, g, b)
	if chroma == 0 {
		return
	}
	var hue float32 // in sixths of the circle
	switch value {
	case r:
		hue = (g - b) / chroma
	case g:
		hue = 2 + (b-r)/chroma
	default:
		hue = 4 + (r-g)/chroma
	}
	hue += float32(6 * share)
	for i, shift := range [3]float32{5, 3, 1} {
		k := shift + hue
		k -= 6 * float32(math.Floor(float64(k/6)))
		pixel[i] = value - float32(chroma*max(0, min(k, 4-k, 1)))
	}
}

// blur is a Gaussian of standard deviation sigma over an image (h,w,3), whose
// edge pixels are repeated beyond it, along rows and then columns.
func blur(image []float32, h, w int, sigma float64) {
	radius := int(math.Ceil(3 * sigma))
	kernel := make([]float32, 2*radius+1)
	var sum float64
	for i := range kernel {
		d := float64(i-radius) / sigma
		kernel[i] = float32(math.Exp(-d * d / 2))
		sum += float64(kernel[i])
	}
	for i := range kernel {
		kernel[i] = float32(float64(kernel[i]) / sum)
	}
	row := make([]float32, (w+2*radius)*3)
	rows := make([]float32, h*w*3)
	for y := range h {
		line := image[y*w*3:][:w*3]
		copy(row[radius*3:], line)
		for i := range radius {
			copy(row[i*3:][:3], line)
			copy(row[(radius+w+i)*3:][:3], line[(w-1)*3:])
		}
		addScaled(rows[y*w*3:][:w*3], kernel, func(k int) []float32 { return row[k*3:] })
	}
	clear(image)
	for y := range h {
		addScaled(image[y*w*3:][:w*3], kernel, func(k int) []float32 {
			return rows[min(max(y+k-radius, 0), h-1)*w*3:]
		})
	}
}

// addScaled adds to dst the sources, each times its weight.
func addScaled(dst, weights []float32, source func(k int) []float32) {
	for k, weight := range weights {
		src := source(k)[:len(dst)]
		for i, x := range src {
			dst[i] += float32(weight * x)
		}
	}
}
