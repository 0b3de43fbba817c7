package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/go-viper/mapstructure/v2"
	"github.com/spf13/viper"
	"go.yaml.in/yaml/v3"
)

// envPrefix begins the names of the environment variables that set keys.
const envPrefix = "UNET_"

// envName is the environment variable of a key: UNET_DATA_VAL_FRACTION for data.val_fraction.
func envName(key string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

// merge lays the origins of values over each other. Every value is read by the
// type of its field before viper gets it, so viper only decides which one wins.
type merge struct {
	schema  schema
	viper   *viper.Viper
	origins map[string]string // key -> where its value was given
}

func newMerge() *merge {
	m := &merge{schema: newSchema(), viper: viper.New(), origins: map[string]string{}}
	values := reflect.ValueOf(Default())
	for key, f := range m.schema {
		if f.leaf {
			m.viper.SetDefault(key, values.FieldByIndex(f.index).Interface())
		}
	}
	return m
}

// file lays a YAML document over the defaults.
func (m *merge) file(name string, doc []byte) error {
	root, err := parse(doc)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if root == nil {
		return nil
	}
	layer := viper.New()
	at := func(n *yaml.Node) string { return fmt.Sprintf("%s:%d", name, n.Line) }
	err = m.read("", root, at, layer.Set)
	return errors.Join(err, m.viper.MergeConfigMap(layer.AllSettings()))
}

// env lays the value of an environment variable over the file.
func (m *merge) env(name, value string) error {
	for key := range m.schema {
		if envName(key) == name {
			return m.override(name, key, value)
		}
	}
	names := slices.Collect(maps.Keys(m.schema))
	for i := range names {
		names[i] = envName(names[i])
	}
	return fmt.Errorf("%s: no key has this environment variable%s", name, didYouMean(name, names))
}

// set lays a key=value argument of --set over the environment.
func (m *merge) set(pair string) error {
	key, value, ok := strings.Cut(pair, "=")
	if !ok {
		return fmt.Errorf("--set %s: want key=value", pair)
	}
	key = strings.TrimSpace(key)
	if _, ok := m.schema[key]; !ok || key == "" {
		return fmt.Errorf("--set %s: unknown key %s%s", pair, key, didYouMean(key, m.schema.keys()))
	}
	return m.override("--set "+pair, key, value)
}

// override lays a value written in YAML over everything before it.
func (m *merge) override(origin, key, text string) error {
	value, err := parse([]byte(text))
	if err != nil {
		return fmt.Errorf("%s: %w", origin, err)
	}
	if value == nil {
		value = &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null"}
	}
	return m.read(key, value, func(*yaml.Node) string { return origin }, m.viper.Set)
}

// flag lays a dedicated flag over everything else.
func (m *merge) flag(f Flag) error {
	if want := m.schema[f.Key]; want.typ != reflect.TypeOf(f.Value) {
		return fmt.Errorf("--%s: %s is a %v, not a %T", f.Name, f.Key, want.typ, f.Value)
	}
	m.viper.Set(f.Key, f.Value)
	m.origins[f.Key] = "--" + f.Name
	return nil
}

// parse is the content of a single YAML document; nil when it is empty.
func parse(text []byte) (*yaml.Node, error) {
	var doc, second yaml.Node
	d := yaml.NewDecoder(bytes.NewReader(text))
	if err := d.Decode(&doc); err != nil && err != io.EOF {
		return nil, err
	}
	if err := d.Decode(&second); err != io.EOF {
		return nil, errors.Join(err, errors.New("more than one YAML document, want one"))
	}
	if doc.Kind != yaml.DocumentNode || doc.Content[0].ShortTag() == "!!null" {
		return nil, nil
	}
	return doc.Content[0], nil
}

// read takes the values of the key or section from n and hands them to put. It
// reports every unknown key, duplicate key and wrong type.
func (m *merge) read(key string, n *yaml.Node, at func(*yaml.Node) string, put func(key string, value any)) error {
	if m.schema[key].leaf {
		value, err := m.schema.value(key, n)
		if err != nil {
			return fmt.Errorf("%s: %w", at(n), err)
		}
		put(key, value)
		m.origins[key] = at(n)
		return nil
	}
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.ShortTag() == "!!null" {
		return nil // an empty section
	}
	if n.Kind != yaml.MappingNode {
		if key == "" {
			return fmt.Errorf("%s: %s, want a mapping of keys such as train: {epochs: 10}", at(n), show(n))
		}
		return fmt.Errorf("%s: %s = %s, want a section with the keys %s", at(n), key, show(n), strings.Join(m.schema.children(key), ", "))
	}
	var errs []error
	first := map[string]*yaml.Node{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, value := n.Content[i], n.Content[i+1]
		child := join(key, name.Value)
		_, known := m.schema[child]
		switch before := first[name.Value]; {
		case name.Kind != yaml.ScalarNode || name.Value == "":
			errs = append(errs, fmt.Errorf("%s: %s is not a key", at(name), show(name)))
		case known && strings.Contains(name.Value, "."):
			errs = append(errs, fmt.Errorf("%s: key %s with a dot, want it nested: %s", at(name), child, strings.ReplaceAll(child, ".", ": ")))
		case !known:
			errs = append(errs, fmt.Errorf("%s: unknown key %.60s%s", at(name), child, didYouMean(child, m.schema.keys())))
		case before != nil:
			errs = append(errs, fmt.Errorf("%s: %s is given twice, first at %s", at(name), child, at(before)))
		default:
			first[name.Value] = name
			errs = append(errs, m.read(child, value, at, put))
		}
	}
	return errors.Join(errs...)
}

// splitPrecision reads kernel: bfloat16, which stands in stored configurations from
// before precision had a key of its own, as the two keys that say the same now.
func (m *merge) splitPrecision() {
	if m.viper.Get("kernel") == "bfloat16" {
		m.viper.Set("kernel", "auto")
		m.viper.Set("precision", "bfloat16")
	}
}

// config decodes and validates what was merged; each error begins with the origin of its value.
func (m *merge) config() (Config, error) {
	var c Config
	err := m.viper.Unmarshal(&c, func(dc *mapstructure.DecoderConfig) {
		dc.TagName = "yaml"
		dc.ErrorUnused = true
		dc.WeaklyTypedInput = false
		dc.DecodeHook = nil // every value already has the type of its field
	})
	if err != nil {
		return Config{}, fmt.Errorf("config: %w", err)
	}
	var errs []error
	for _, err := range Problems(c.Validate()) {
		if origin := m.origins[m.schema.keyOf(err.Error())]; origin != "" {
			err = fmt.Errorf("%s: %w", origin, err)
		}
		errs = append(errs, err)
	}
	return c, errors.Join(errs...)
}

// Problems are the single errors that errors.Join put together in err.
func Problems(err error) []error {
	if err == nil {
		return nil
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok || errors.Join(joined.Unwrap()...).Error() != err.Error() {
		return []error{err}
	}
	var all []error
	for _, err := range joined.Unwrap() {
		all = append(all, Problems(err)...)
	}
	return all
}
