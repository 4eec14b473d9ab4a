// A table whose rows are pushed to it. Whatever a row holds is text: nothing of it becomes markup.
export default {
  template: `
    <div class="live-scroll">
      <table class="live">
        <thead>
          <tr><th v-for="column in columns" :class="column.kind">{{ column.label }}</th></tr>
        </thead>
        <tbody v-for="row in rows" :key="row.id" :class="row.tone" :data-id="row.id" @click="toggle(row)">
          <tr>
            <td v-for="(cell, index) in row.cells" :class="columns[index].kind">
              <template v-if="columns[index].kind === 'time'">{{ time(cell) }}</template>
              <template v-else-if="columns[index].kind === 'moment'">{{ moment(cell) }}</template>
              <span v-else-if="columns[index].kind === 'chip'" class="chip" :data-chip="cell">{{ cell }}</span>
              <template v-else-if="columns[index].kind === 'share'">
                <span v-if="cell !== null" class="share"><i :style="{ width: cell + '%' }"></i></span>
                <span class="share-text">{{ cell === null ? '–' : cell + ' %' }}</span>
              </template>
              <template v-else>{{ cell }}</template>
            </td>
          </tr>
          <tr v-for="note in row.notes" class="note">
            <td></td>
            <td :colspan="columns.length - 1"><code>{{ note[0] }}</code> <span>{{ note[1] }}</span></td>
          </tr>
          <tr v-if="open === row.id" class="detail">
            <td :colspan="columns.length"><pre>{{ detail }}</pre></td>
          </tr>
        </tbody>
      </table>
    </div>
  `,
  props: { columns: Array, most: Number, details: Boolean },
  data: () => ({ rows: [], open: null, detail: "" }),
  methods: {
    prepend(rows) {
      this.rows = rows.map(Object.freeze).concat(this.rows).slice(0, this.most);
    },
    replace(rows) {
      this.rows = rows.slice(0, this.most).map(Object.freeze);
    },
    time(seconds) {
      return seconds === null ? "" : new Date(seconds * 1000).toLocaleTimeString([], { hour12: false });
    },
    moment(seconds) {
      const when = new Date(seconds * 1000);
      const today = when.toDateString() === new Date().toDateString();
      return (today ? "" : `${when.toLocaleDateString("sv")} `) + this.time(seconds);
    },
    async toggle(row) {
      if (!this.details) return;
      if (this.open === row.id) {
        this.open = null;
        return;
      }
      this.open = row.id;
      this.detail = "…";
      const answer = await fetch(`/api/events?after=${row.id - 1}&limit=1`);
      const found = answer.ok ? await answer.json() : [];
      if (this.open === row.id) {
        this.detail = found.length ? JSON.stringify(found[0].event, null, 2) : "not available";
      }
    },
  },
};
