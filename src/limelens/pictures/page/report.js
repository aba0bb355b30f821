connect();
get("viewer").hidden = false;
openItem(data.items[0]).then(() => { document.body.dataset.ready = "yes"; });
