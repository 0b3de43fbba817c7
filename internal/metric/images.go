package metric

// Score is what the net scores on one image.
type Score struct {
	Name      string
	Pixels    int64     // labelled ones
	MeanIoU   float64   // over the classes that have an IoU; NaN if none has
	IoU, Dice []float64 // per class; NaN where it is neither present nor predicted
}

// Images scores each image of a split by itself.
type Images struct {
	counts *Confusion // of the last image
	last   int        // its position in the split; -1: none yet
	scores []Score
}

// NewImages makes an empty list for 1..255 classes.
func NewImages(classes int) *Images { return &Images{NewConfusion(classes), -1, nil} }

// Add counts the pixels of an image, by its position in the split, as Confusion.Add
// does. Parts of an image that follow each other, such as patches, are summed.
func (s *Images) Add(position int, name string, truth, predicted []uint8) error {
	s.begin(position, name)
	if err := s.counts.Add(truth, predicted); err != nil {
		return err
	}
	s.score(name)
	return nil
}

// AddCounts is Add of pixels that were counted before.
func (s *Images) AddCounts(position int, name string, counts *Confusion) {
	s.begin(position, name)
	for i, n := range counts.cells {
		s.counts.cells[i] += n
	}
	s.score(name)
}

// begin makes the image at a position the last one.
func (s *Images) begin(position int, name string) {
	if position != s.last {
		s.last = position
		s.scores = append(s.scores, Score{Name: name})
		clear(s.counts.cells)
	}
}

// score scores the last image.
func (s *Images) score(name string) {
	classes := s.counts.classes
	score := Score{name, s.counts.Total(), s.counts.MeanIoU(), make([]float64, classes), make([]float64, classes)}
	for c := range classes {
		score.IoU[c], score.Dice[c] = s.counts.IoU(c), s.counts.Dice(c)
	}
	s.scores[len(s.scores)-1] = score
}

// Scores are those of the images so far, in the order in which they were added.
func (s *Images) Scores() []Score { return s.scores }
