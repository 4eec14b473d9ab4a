// Values that an input offers, each with the words that stand beside it. They stay text: Vue escapes them.

export default {
  template: `
    <datalist>
      <option v-for="[value, words] in values" :key="value" :value="value">{{ words }}</option>
    </datalist>
  `,
  props: { values: Array },
};
