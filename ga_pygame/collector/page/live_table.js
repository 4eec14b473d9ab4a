// A table whose rows are pushed by the server. All values of a row are shown as text, never as markup.
//
// On a narrow screen CSS lays a row out as lines instead of columns; the roles keep it a table for screen readers.

const MAX_DETAIL = 20000;
const MAX_BROKEN = 50;

// Characters that are invisible or change the order of the text; the same as in plain_text.py.
const UNSEEN =
  /[\p{Cc}\p{Cs}\p{Co}\p{Zl}\p{Zp}\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\u{1bca0}-\u{1bca3}\u{1d173}-\u{1d17a}\u{e0000}-\u{e0fff}]/gu;

function visible(text) {
  return text.replace(UNSEEN, (found) => {
    if (found === "\n") return found;
    const units = [...Array(found.length).keys()].map((at) => found.charCodeAt(at).toString(16).padStart(4, "0"));
    return units.map((unit) => `\\u${unit}`).join("");
  });
}

function clock(seconds) {
  return new Date(seconds * 1000).toLocaleTimeString("en-GB");
}

function exactly(seconds) {
  const at = new Date(seconds * 1000);
  const thousandths = String(at.getMilliseconds()).padStart(3, "0");
  return `${at.toLocaleDateString("sv")} ${clock(seconds)}.${thousandths}`;
}

let tables = 0;

export default {
  template: `
    <div ref="scroll" class="live-scroll" role="region" tabindex="0" :aria-label="label">
      <table class="live" role="table" :aria-label="label">
        <thead role="rowgroup">
          <tr role="row">
            <th v-for="at in shown" role="columnheader" scope="col" :class="columns[at].kind">{{ columns[at].label }}</th>
          </tr>
        </thead>
        <tbody v-for="row in rows" :key="row.id" role="rowgroup" :class="[row.tone, { details }]" :data-id="row.id"
          @click="toggle(row, $event)" @keydown.esc.stop="close(row)">
          <tr role="row" class="entry">
            <td v-for="at in shown" role="cell" :class="columns[at].kind" :data-label="columns[at].label">
              <template v-if="columns[at].kind === 'when'">
                <span :title="whole(row.cells[at])">{{ moment(row.cells[at][0] ?? row.cells[at][1]) }}</span>
                <span v-if="row.cells[at][2]" class="late">{{ row.cells[at][2] }}</span>
              </template>
              <span v-else-if="columns[at].kind === 'moment'" :title="row.cells[at] === null ? '' : exactly(row.cells[at])">
                {{ moment(row.cells[at]) }}</span>
              <span v-else-if="columns[at].kind === 'game'" :title="row.cells[at][1]">{{ row.cells[at][0] }}</span>
              <a v-else-if="columns[at].kind === 'link'" :href="row.cells[at][1]" data-view>{{ row.cells[at][0] || '(no name)' }}</a>
              <span v-else-if="columns[at].kind === 'chip'" class="chip" :data-chip="row.cells[at]">{{ row.cells[at] }}</span>
              <template v-else-if="columns[at].kind === 'share'">
                <span v-if="row.cells[at] !== null" class="share"><i :style="{ width: row.cells[at] + '%' }"></i></span>
                <span class="share-text">{{ row.cells[at] === null ? '–' : row.cells[at] + ' %' }}</span>
              </template>
              <button v-else-if="details && columns[at].kind === 'text'" type="button" class="open"
                :aria-expanded="open === row.id ? 'true' : 'false'" :aria-controls="open === row.id ? detailId : null">
                {{ row.cells[at] || '(no name)' }}</button>
              <template v-else>{{ row.cells[at] }}</template>
            </td>
          </tr>
          <tr v-for="note in row.notes" role="row" class="note">
            <td role="cell" class="gap"></td>
            <td role="cell" :colspan="shown.length - 1"><code>{{ note[0] }}</code> <span>{{ note[1] }}</span></td>
          </tr>
          <tr v-if="open === row.id" role="row" class="detail">
            <td role="cell" :id="detailId" :colspan="shown.length" @click.stop>
              <div class="facts">{{ facts(row) }}</div>
              <ul v-if="broken.length" class="broken" aria-label="broken rules">
                <li v-for="one in broken"><code>{{ one.field }}</code> {{ one.rule }}</li>
              </ul>
              <pre>{{ detail }}</pre>
            </td>
          </tr>
        </tbody>
      </table>
    </div>
  `,
  props: { label: String, columns: Array, most: Number, details: Boolean },
  data() {
    tables += 1;
    return { rows: [], open: null, detail: "", broken: [], several: false, detailId: `detail-${tables}` };
  },
  computed: {
    shown() {
      return [...this.columns.keys()].filter((at) => this.several || this.columns[at].kind !== "game");
    },
  },
  methods: {
    prepend(rows) {
      this.keep(rows.map(Object.freeze).concat(this.rows));
    },
    replace(rows) {
      const known = new Set(rows.map((row) => row.id));
      if (this.open !== null && !known.has(this.open)) this.open = null;
      const focused = this.focused();
      this.rows = rows.slice(0, this.most).map(Object.freeze);
      if (focused !== null && !known.has(focused)) this.$refs.scroll.focus();
    },
    show_games(several) {
      this.several = several;
    },
    // New rows push old ones out. The open row and the focused row stay at the end instead: somebody may be reading
    // them while the game goes on.
    keep(rows) {
      const kept = rows.slice(0, this.most);
      const read = new Set([this.open, this.focused()]);
      const falling = rows.slice(this.most).filter((row) => read.has(row.id));
      this.rows = kept.concat(falling);
    },
    focused() {
      const body = this.$el.contains(document.activeElement) ? document.activeElement.closest("tbody") : null;
      const row = body && this.rows.find((one) => String(one.id) === body.dataset.id);
      return row ? row.id : null;
    },
    exactly,
    moment(seconds) {
      if (seconds === null) return "";
      const at = new Date(seconds * 1000);
      const today = at.toDateString() === new Date().toDateString();
      return (today ? "" : `${at.toLocaleDateString("sv")} `) + clock(seconds);
    },
    whole([at, received]) {
      const came = `came in at ${exactly(received)}`;
      return at === null ? came : `took place at ${exactly(at)}, ${came}`;
    },
    facts(row) {
      const cells = Object.fromEntries(this.columns.map((column, at) => [column.kind, row.cells[at]]));
      const said = [cells.when && this.whole(cells.when), cells.game && `game ${cells.game[1]}`];
      return [...said, row.place && `raised at ${row.place}`].filter(Boolean).join(" · ");
    },
    close(row) {
      if (this.open !== row.id) return;
      this.open = null;
      this.$el.querySelector(`tbody[data-id="${CSS.escape(row.id)}"] button.open`)?.focus();
    },
    async toggle(row, event) {
      if (!this.details || (event.detail && window.getSelection().toString())) return; // the click selected text
      if (this.open === row.id) {
        this.open = null;
        return;
      }
      this.open = row.id;
      this.detail = "…";
      this.broken = [];
      const [detail, broken] = await this.read(row.id);
      if (this.open === row.id) [this.detail, this.broken] = [detail, broken];
    },
    async read(id) {
      let text = "";
      let broken = [];
      try {
        const answer = await fetch(`/api/events?after=${id - 1}&limit=1`);
        if (!answer.ok) return ["not available", broken];
        text = await answer.text();
        const found = JSON.parse(text);
        if (!found.length || found[0].id !== id) return ["not available", broken];
        broken = found[0].errors.slice(0, MAX_BROKEN).map((error) => ({
          field: visible(error.path.replace(/^\//, "").replaceAll("/", ".") || "event"),
          rule: visible(error.reason),
        }));
        text = JSON.stringify(found[0].event, null, 2);
      } catch (error) {
        if (!text) return ["not available: the collector does not answer", broken];
      }
      const cut = text.length > MAX_DETAIL ? `${text.slice(0, MAX_DETAIL)}\n… the rest is in the export` : text;
      return [visible(cut), broken];
    },
  },
};
