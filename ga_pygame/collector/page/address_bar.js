// The browser's address, without loading the page anew: links within the page, back and forward, title and focus.
//
// Links stay links: a click with a key (a new tab) and a browser without this script's help follow them.

export default {
  template: `<div hidden></div>`,
  mounted() {
    document.getElementById("opening")?.remove();
    document.addEventListener("click", this.clicked);
    window.addEventListener("popstate", this.moved);
  },
  unmounted() {
    document.removeEventListener("click", this.clicked);
    window.removeEventListener("popstate", this.moved);
  },
  methods: {
    clicked(event) {
      const link = event.target.closest?.("a[data-view]");
      if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
      event.preventDefault();
      if (link.search !== location.search) history.pushState(null, "", link.href);
      this.moved();
    },
    moved() {
      this.$emit("moved", location.search);
    },
    // The server has opened an address: show it, without another "moved". A step is one that "back" returns from.
    shown(link, title, step) {
      if (location.pathname + location.search !== link) history[step ? "pushState" : "replaceState"](null, "", link);
      document.title = title;
    },
    focus_heading() {
      document.querySelector("h1")?.focus();
      window.scrollTo(0, 0);
    },
  },
};
